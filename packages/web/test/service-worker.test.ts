/** A service worker starts no workers and imports nothing later: as one bundled file it classifies on its own thread. */
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { ROOT } from './support/paths.js';
import { expectSameRanking, rankedByNode } from './support/ranking.js';
import { TestSite } from './support/test-site.js';

const SCRIPT = `
import { createClassifier } from '@mclip/web';
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('message', async ({ data, ports: [port] }) => {
  try {
    const classifier = await createClassifier(data.labels, { model: '/models/nano/', wasmPaths: '/onnxruntime-web/' });
    const ranked = await classifier.classifyBatch(data.images);
    const { device } = classifier;
    await classifier.dispose();
    port.postMessage({ ranked, device });
  } catch (error) {
    port.postMessage({ error: String(error.stack ?? error) });
  }
});`;

const { outputFiles } = await build({
  stdin: { contents: SCRIPT, resolveDir: `${ROOT}/bench` },
  bundle: true,
  format: 'esm',
  write: false,
  tsconfigRaw: {}, // the built packages, not their sources
  logLevel: 'silent', // the worker's URL is left as it is, and never used here
});
const site = new TestSite({ files: { '/sw.js': outputFiles[0]!.text } });

test('a service worker classifies on its own thread, and says so', async () => {
  const names = ['cat', 'dog', 'pizza'];
  await using page = await site.open();
  const answer = await page.evaluate(async (names) => {
    await navigator.serviceWorker.register('/sw.js', { type: 'module' });
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    const answered = new Promise<{
      error?: string;
      ranked: Awaited<ReturnType<Awaited<ReturnType<typeof mclip.createClassifier>>['classifyBatch']>>;
      device: import('@mclip/core').Device;
    }>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
    });
    const images = names.map((name) => `/examples/node-classify/images/${name}.png`);
    active!.postMessage({ labels: LABELS, images }, [port2]);
    return answered;
  }, names);
  expect(answer.error).toBeUndefined();
  expectSameRanking(answer.ranked as Parameters<typeof expectSameRanking>[0], await rankedByNode(names));
  expect(answer.device).toMatchObject({ name: 'wasm', threads: 1 });
  expect(answer.device.reason).toContain('no workers here');
}, 120_000);
