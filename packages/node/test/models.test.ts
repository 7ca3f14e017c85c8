/** models.list, remove, clear, verify; availability; loads that are aborted; graphs that reach for other files. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nanoClip, nanoVlm } from '@mclip/nano';
import { availability, createClassifier, createEmbedder, type MclipError, models, type Progress } from '@mclip/node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Hub, NANO_FOLDER, sha256, startHub } from '../../../test/support/hub.js';

const picture = fileURLToPath(new URL('../../../examples/node-classify/images/strawberry.png', import.meta.url));

let hub: Hub;
let cacheDir: string;

beforeEach(async () => {
  hub = await startHub();
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-models-'));
});

afterEach(async () => {
  await hub.close();
  await rm(cacheDir, { recursive: true });
});

const settings = (more: object = {}) => ({ hubUrl: hub.url, cacheDir, retries: 0, ...more });
const load = (model: string, more: object = {}) =>
  createClassifier(['strawberry', 'dog'], { model, ...settings(more) });

test('list, verify, remove, clear', async () => {
  expect(await models.list(settings())).toEqual([]);
  const before = Date.now() - 2000;
  await (await load('someone/nano')).dispose();
  await (await load('someone/other')).dispose();
  const listed = await models.list(settings());
  expect(listed.map(({ id }) => id).sort()).toEqual(['someone/nano', 'someone/other']);
  expect(listed[0]!.id).toBe('someone/other'); // used last
  for (const { bytes, complete, lastUsed, files } of listed) {
    expect(complete).toBe(true);
    expect(bytes).toBeGreaterThan(hub.files.get('vision.w8.onnx')!.length);
    expect(lastUsed.getTime()).toBeGreaterThan(before);
    expect(files.some(({ url }) => url.endsWith('vision.w8.onnx'))).toBe(true);
  }
  expect((await models.verify('someone/nano', settings())).damaged).toEqual([]);
  const [stored] = (await readdir(cacheDir, { recursive: true })).filter((name) => /nano.*vision\.w8/.test(name));
  const bytes = await readFile(join(cacheDir, stored!));
  bytes[5]! ^= 1;
  await writeFile(join(cacheDir, stored!), bytes);
  const { damaged } = await models.verify('someone/nano', settings());
  expect(damaged).toHaveLength(1);
  expect(damaged[0]).toContain('vision.w8.onnx');
  expect((await models.verify('someone/nano', settings())).damaged).toEqual([]); // it is gone
  await expect(models.verify('nobody/none', settings())).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });

  expect(await models.remove('someone/nano', settings())).toBe(true);
  expect(await models.remove('someone/nano', settings())).toBe(false);
  expect((await models.list(settings())).map(({ id }) => id)).toEqual(['someone/other']);
  await expect(load('someone/nano', { offline: true })).rejects.toMatchObject({ code: 'OFFLINE' });
  await (await load('someone/other', { offline: true })).dispose();
  await models.clear(settings());
  expect(await models.list(settings())).toEqual([]);
  expect((await readdir(cacheDir, { recursive: true })).filter((name) => /onnx|json|part|lock/.test(name))).toEqual([]);
});

test('a model that is there in part is listed as such', async () => {
  hub.fault = ({ server, name }) => (server === 'cdn' && /vision/.test(name) ? { do: 'drop', at: 500_000 } : null);
  await expect(load('someone/nano')).rejects.toMatchObject({ code: 'NETWORK' });
  const [model] = await models.list(settings());
  expect(model!.complete).toBe(false);
  const part = model!.files.find(({ url }) => url.endsWith('vision.w8.onnx'))!;
  expect(part.complete).toBe(false);
  expect(part.bytes).toBeGreaterThan(400_000);
});

test('availability, without a request', async () => {
  const tell = (model: Parameters<typeof availability>[0], more: object = {}) => availability(model, settings(more));
  expect(await tell('someone/nano')).toBe('downloadable');
  expect(await tell('someone/nano', { offline: true })).toBe('unavailable');
  expect(await tell('mobileclip2-s0')).toBe('downloadable');
  expect(await tell('fastvlm-0.5b')).toBe('downloadable');
  expect(await tell('mobileclip2-s4')).toBe('unavailable'); // has no public files
  expect(await tell('no-such-model')).toBe('unavailable');
  expect(await tell('./no-such-folder')).toBe('unavailable');
  expect(await tell(NANO_FOLDER)).toBe('available');
  expect(await tell(nanoClip)).toBe('available');
  expect(await tell(nanoVlm)).toBe('available');
  expect(hub.requests).toEqual([]);

  hub.fault = ({ server }) => (server === 'cdn' ? { do: 'drip', bytes: 65_536, ms: 20 } : null);
  const loading = load('someone/nano');
  await expect.poll(() => tell('someone/nano'), { timeout: 10_000 }).toBe('downloading');
  await (await loading).dispose();
  hub.requests.length = 0;
  expect(await tell('someone/nano')).toBe('available');
  expect(await tell('someone/nano', { offline: true })).toBe('available');
  expect(hub.requests).toEqual([]);
});

test('aborted at 50 random moments: what is left is of use, and nothing runs on', async () => {
  let aborted = 0;
  const size = hub.files.get('vision.w8.onnx')!.length;
  for (let round = 0; round < 50; round++) {
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error('enough');
    // in the load on every machine: when a request arrives, or so many bytes have; of ten one at any time
    const moment = round % 10;
    let requestsLeft = moment < 3 ? moment + 1 : Infinity;
    const bytesEnough = moment >= 3 && moment < 9 ? Math.random() * size : Infinity;
    if (moment === 9) setTimeout(() => controller.abort(reason), Math.random() * 150);
    hub.fault = ({ server }) => {
      if (--requestsLeft === 0) controller.abort(reason);
      return server === 'cdn' ? { do: 'drip', bytes: 65_536, ms: 4 } : null;
    };
    const onProgress = (progress: Progress) => {
      if (progress.phase === 'download' && progress.loadedBytes >= bytesEnough) controller.abort(reason);
    };
    const outcome = await createEmbedder({ model: 'someone/nano', ...settings(), signal, onProgress }).then(
      (embedder) => embedder.dispose(),
      (error: unknown) => error,
    );
    if (outcome !== undefined) {
      expect(outcome).toBe(reason);
      aborted++;
    }
    const kinds = async () =>
      (await readdir(cacheDir, { recursive: true }))
        .map((name) => /\.(lock|tmp)$|\.lock\./.exec(name)?.[0])
        .filter((kind) => kind !== undefined);
    await expect.poll(kinds).toEqual([]);
    await expect.poll(() => hub.requests.filter(({ isOpen }) => isOpen)).toEqual([]);
    if (round % 10 === 9) {
      await using embedder = await createEmbedder({ model: 'someone/nano', ...settings() });
      expect((await embedder.encodeImage(picture)).length).toBe(128);
      await models.clear(settings());
    }
  }
  console.log(`${aborted} of 50 loads were aborted`);
  expect(aborted).toBeGreaterThanOrEqual(40);
}, 300_000);

/** y = x + w, with w in the file '../secret.bin'. */
const EXTERNAL = Buffer.from(
  'CAg6dgoOCgF4CgF3EgF5IgNBZGQSAWcqPwgEEAFCAXdqGQoIbG9jYXRpb24SDS4uL3NlY3JldC5iaW5qCwoGb2Zmc2V0EgEwagwKBmxlbmd0aBICMTZwAVoPCgF4EgoKCAgBEgQKAggEYg8KAXkSCgoICAESBAoCCARCBAoAEBE=',
  'base64',
);

test.each(['../secret.bin', '/etc/hostname'])('a graph whose weights are at %s is refused', async (location) => {
  const graph = Buffer.from(EXTERNAL.toString('latin1').replace('../secret.bin', location), 'latin1');
  expect(graph.includes(location)).toBe(true);
  const folder = join(cacheDir, 'model');
  await mkdir(folder);
  await writeFile(join(cacheDir, 'secret.bin'), Buffer.alloc(16));
  await writeFile(join(folder, 'vision.onnx'), graph);
  const manifest = JSON.parse(await readFile(join(NANO_FOLDER, 'mclip.json'), 'utf8'));
  manifest.graphs.vision.files = { fp32: { file: 'vision.onnx', bytes: graph.length, sha256: sha256(graph) } };
  await writeFile(join(folder, 'mclip.json'), JSON.stringify(manifest));
  const error = await createEmbedder({ model: folder }).catch((reason: MclipError) => reason);
  expect(error).toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringMatching(/external data/i) });
});
