/** Models of a hub through the public calls: listings, redirects, offline, faults. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClassifier, presets } from '@mclip/node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { COMMIT, type Fault, type Hub, startHub } from '../../../test/support/hub.js';

const picture = fileURLToPath(new URL('../../../examples/node-classify/images/strawberry.png', import.meta.url));

let hub: Hub;
let cacheDir: string;

beforeEach(async () => {
  hub = await startHub();
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-hub-'));
});

afterEach(async () => {
  await hub.close();
  await rm(cacheDir, { recursive: true });
});

const create = (options: object = {}) =>
  createClassifier(['strawberry', 'dog'], {
    model: 'someone/nano',
    hubUrl: hub.url,
    cacheDir,
    retries: 0,
    stallTimeout: 10_000,
    ...options,
  });
const onnxRequests = () => hub.requests.filter(({ path }) => path.startsWith('/cdn/')).map(({ path }) => path);

test('a repository is fetched once, and works offline afterwards', async () => {
  const progress: { loadedBytes: number; totalBytes: number | null }[] = [];
  const first = await create({
    headers: { authorization: 'Bearer secret' },
    onProgress: (event: { phase: string; loadedBytes: number; totalBytes: number }) =>
      event.phase === 'download' && progress.push(event),
  });
  expect((await first.classify(picture))[0]!.label).toBe('strawberry');
  await first.dispose();
  expect(onnxRequests().sort()).toEqual(['/cdn/someone/nano/text.w8.onnx', '/cdn/someone/nano/vision.w8.onnx']);
  expect(hub.requests.some(({ headers }) => headers.authorization === 'Bearer secret')).toBe(true);
  const total = hub.files.get('vision.w8.onnx')!.length + hub.files.get('text.w8.onnx')!.length;
  expect(progress.at(-1)).toMatchObject({ loadedBytes: total, totalBytes: total });
  for (const [index, { loadedBytes }] of progress.entries()) {
    expect(loadedBytes).toBeGreaterThanOrEqual(progress[index - 1]?.loadedBytes ?? 0);
  }

  hub.requests.length = 0;
  const second = await create({ offline: true });
  expect((await second.classify(picture))[0]!.label).toBe('strawberry');
  await second.dispose();
  expect(hub.requests).toEqual([]);
});

test('hashes of a preset come from the listing, whatever the manifest lacks', async () => {
  const { repo, revision } = presets['mobileclip-s0']!;
  // the preset's files, with nano's bytes: they are fetched, verified and handed to the runtime
  for (const [stem, nano] of [
    ['onnx/vision_model', 'vision.w8.onnx'],
    ['onnx/text_model', 'text.w8.onnx'],
  ] as const) {
    hub.files.set(`${stem}_fp16.onnx`, hub.files.get(nano)!); // the smaller of two that compute alike
  }
  const failure = await create({ model: 'mobileclip-s0' }).catch((error: unknown) => error);
  expect(hub.requests.map(({ path }) => path)).toContain(
    `/api/models/${repo}/tree/${revision === 'main' ? COMMIT : revision}?recursive=true`,
  );
  expect(onnxRequests()).toContain(`/cdn/${repo}/onnx/vision_model_fp16.onnx`);
  // nano has 128 dimensions and 64 pixels, the preset 512 and 256: a typed error, not a wrong answer
  expect(failure).toMatchObject({ code: 'MODEL_CORRUPT' });
});

test.each<[string, Fault, string]>([
  ['a download that breaks', { do: 'drop', at: 100_000 }, 'NETWORK'],
  ['a flipped bit', { do: 'flip', at: 100_000 }, 'MODEL_CORRUPT'],
  ['a server error', { do: 'status', status: 503 }, 'NETWORK'],
  ['a private repository', { do: 'status', status: 401 }, 'NETWORK'],
])('%s is a typed error, and the next try works', async (_name, fault, code) => {
  hub.fault = ({ server, name }) => (server === 'cdn' && name.includes('vision') ? fault : null);
  await expect(create()).rejects.toMatchObject({ code });
  hub.fault = () => null;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
});

test('a damaged file in the cache is fetched again, never loaded', async () => {
  await (await create()).dispose();
  const stored = (await readdir(cacheDir, { recursive: true })).find((name) => name.endsWith('vision.w8.onnx'))!;
  const bytes = await readFile(join(cacheDir, stored));
  bytes[1000]! ^= 1;
  await writeFile(join(cacheDir, stored), bytes);
  hub.requests.length = 0;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  expect(onnxRequests()).toEqual(['/cdn/someone/nano/vision.w8.onnx']);
});

test('a repository without manifest says what to do', async () => {
  hub.files.delete('mclip.json');
  await expect(create()).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringContaining('mclip.json'),
  });
});

test('a hub that cannot be reached', async () => {
  await expect(create({ hubUrl: 'http://127.0.0.1:9' })).rejects.toMatchObject({ code: 'NETWORK' });
});

test('a hub that is down does not stop a model that is stored', async () => {
  await (await create()).dispose();
  hub.fault = () => ({ do: 'status', status: 503 });
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
});

test('headers go with model files and nowhere else', async () => {
  hub.files.set('cat.png', await readFile(picture));
  await using classifier = await create({ headers: { authorization: 'Bearer secret' } });
  const sentTo = (server: string) => hub.requests.filter((request) => request.server === server);
  expect(sentTo('hub').every(({ headers }) => headers.authorization === 'Bearer secret')).toBe(true);
  expect(sentTo('cdn').every(({ headers }) => headers.authorization === undefined)).toBe(true);
  expect(sentTo('cdn').length).toBeGreaterThan(1);
  hub.requests.length = 0;
  await classifier.classify(`${hub.cdnUrl}/cdn/a/b/cat.png`);
  expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test('offline without a stored model touches nothing', async () => {
  await expect(create({ offline: true })).rejects.toMatchObject({ code: 'OFFLINE' });
  expect(hub.requests).toEqual([]);
  expect(await readdir(cacheDir)).toEqual([]);
});

test('the commit of first use is kept, and so is the model when the branch moves', async () => {
  await (await create()).dispose();
  expect(hub.requests.map(({ path }) => path)).toContain(`/someone/nano/resolve/${COMMIT}/mclip.json`);
  hub.requests.length = 0;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  expect(hub.requests).toEqual([]);
});

test('a mirror that knows no commits', async () => {
  hub.hasCommits = false;
  await (await create()).dispose();
  hub.requests.length = 0;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  expect(hub.requests).toEqual([]);
});

test('aborting a download rejects with the reason, and the rest is not fetched', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = () => controller.abort(reason);
  hub.fault = ({ server }) => (server === 'cdn' ? { do: 'drip', bytes: 20_000, ms: 50 } : null); // seconds in all
  await expect(create({ signal: controller.signal, onProgress })).rejects.toBe(reason);
  for (const { name, sent } of hub.requests.filter(({ server }) => server === 'cdn')) {
    expect(sent).toBeLessThan(hub.files.get(name)!.length);
  }
  hub.fault = () => null;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
});

test('a URL is a model folder too, and a custom fetch is used', async () => {
  const seen: string[] = [];
  const counting: typeof fetch = (input, init) => {
    seen.push(String(input));
    return fetch(input, init);
  };
  await using classifier = await create({ model: `${hub.cdnUrl}/cdn/someone/nano`, fetch: counting });
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  expect(seen.length).toBeGreaterThanOrEqual(3);
});

test('an image by URL', async () => {
  hub.files.set('cat.png', await readFile(picture));
  await using classifier = await create();
  expect((await classifier.classify(`${hub.cdnUrl}/cdn/a/b/cat.png`))[0]!.label).toBe('strawberry');
  await expect(classifier.classify(`${hub.cdnUrl}/cdn/a/b/none.png`)).rejects.toMatchObject({ code: 'IMAGE_DECODE' });
  await using offline = await create({ offline: true });
  await expect(offline.classify(`${hub.cdnUrl}/cdn/a/b/cat.png`)).rejects.toMatchObject({ code: 'OFFLINE' });
});
