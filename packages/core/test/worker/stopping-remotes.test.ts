/** A thread that is stopped inside of native code can take a Node.js process along. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { LoadRequest } from '../../src/clip/encoder.js';
import { RemoteClipEncoder } from '../../src/clip/remote-encoder.js';
import type { Manifest } from '../../src/model/manifest.js';
import type { WorkerPort } from '../../src/platform.js';
import type { VlmLoadRequest } from '../../src/vlm/engine.js';
import { RemoteVlmEngine } from '../../src/vlm/remote-engine.js';
import type { VlmManifest } from '../../src/vlm/vlm-manifest.js';
import { serve } from '../../src/worker/channel.js';

/** A worker whose loads end when told to, and the order of what happens to it. */
function slowWorker() {
  const { port1, port2 } = new MessageChannel();
  const happened: string[] = [];
  let loaded: () => void = () => {};
  const nothing = async () => ({ result: null });
  const load = async () => {
    await new Promise<void>((resolve) => (loaded = resolve));
    happened.push('loaded');
    return { result: { answer: null, notes: [] } };
  };
  serve(
    { post: (message) => port2.postMessage(message), onMessage: (listener) => port2.on('message', listener) },
    { open: nothing, load, dispose: nothing },
  );
  const port: WorkerPort = {
    post: (message) => port1.postMessage(message),
    onMessage: (listener) => port1.on('message', listener),
    onExit: () => {},
    hold: () => {},
    release: () => {},
    terminate: async () => {
      happened.push('terminated');
      port1.close();
    },
  };
  return { port, happened, finishLoading: () => loaded() };
}

const clip = (port: WorkerPort) => {
  const encoder = new RemoteClipEncoder(port, {} as Manifest, { maxPixels: 1 });
  return {
    load: () => encoder.load({ graph: 'vision', file: 'vision.onnx' } as LoadRequest),
    dispose: () => encoder.dispose(),
  };
};

const vlm = (port: WorkerPort) => {
  const engine = new RemoteVlmEngine(port, {} as VlmManifest, { maxPixels: 1 });
  const request = { vision: 'v.onnx', decoder: 'd.onnx', rows: { file: 'rows.bin' } } as unknown as VlmLoadRequest;
  return { load: () => engine.load(request), dispose: () => engine.dispose() };
};

test.each([
  ['RemoteClipEncoder', clip],
  ['RemoteVlmEngine', vlm],
])('%s: a load under way is left before the worker is stopped', async (_, remote) => {
  const { port, happened, finishLoading } = slowWorker();
  const { load, dispose } = remote(port);
  const loading = load();
  loading.catch(() => {});
  await sleep(5);
  const disposing = dispose();
  await expect(loading).rejects.toMatchObject({ code: 'DISPOSED' });
  await sleep(10);
  expect(happened).toEqual([]);
  finishLoading();
  await disposing;
  expect(happened).toEqual(['loaded', 'terminated']);
});
