/** The real hub code against a local server with the hub's paths, redirects, listings and faults. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClassifier, presets } from '@mclip/node';
import { afterEach, beforeEach, expect, test } from 'vitest';

const nanoFolder = fileURLToPath(new URL('../../nano/models/clip/', import.meta.url));
const picture = fileURLToPath(new URL('../../../examples/node-classify/images/strawberry.png', import.meta.url));

/** Path below a repository -> contents; `fault` may answer a request in another way. */
let files: Map<string, Buffer>;
let fault: (path: string) => 'break' | 'flip' | number | null;
let requests: { path: string; authorization: string | undefined }[];
let server: Server;
let hubUrl: string;
let cacheDir: string;

beforeEach(async () => {
  files = new Map();
  for (const name of await readdir(nanoFolder)) files.set(name, await readFile(join(nanoFolder, name)));
  fault = () => null;
  requests = [];
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-hub-'));
  server = createServer((request, response) => {
    const path = request.url!;
    requests.push({ path, authorization: request.headers.authorization });
    const [, kind, repo, rest] = /^\/(api\/models\/|cdn\/|)([\w.-]+\/[\w.-]+)\/(.*)$/.exec(path) ?? [];
    const outcome = fault(path);
    if (typeof outcome === 'number') return void response.writeHead(outcome).end();
    if (repo === undefined) return void response.writeHead(404).end();
    if (kind === 'api/models/') {
      const listing = [...files].map(([name, bytes]) => ({
        type: 'file',
        path: name,
        size: bytes.length,
        ...(name.endsWith('.onnx') && { lfs: { oid: sha256(bytes), size: bytes.length } }),
      }));
      return void response.end(JSON.stringify(listing));
    }
    const name = rest!.replace(/^resolve\/[^/]+\//, '');
    const bytes = files.get(name);
    if (bytes === undefined) return void response.writeHead(404).end();
    if (kind === '' && name.endsWith('.onnx'))
      return void response.writeHead(302, { location: `/cdn/${repo}/${name}` }).end();
    response.writeHead(200, { 'content-length': bytes.length });
    if (outcome === 'break') {
      response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
    } else if (outcome === 'flip') {
      const damaged = Buffer.from(bytes);
      damaged[damaged.length >> 1]! ^= 4;
      response.end(damaged);
    } else response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(cacheDir, { recursive: true });
});

const create = (options: object = {}) =>
  createClassifier(['strawberry', 'dog'], { model: 'someone/nano', hubUrl, cacheDir, ...options });
const onnxRequests = () => requests.filter(({ path }) => path.startsWith('/cdn/')).map(({ path }) => path);

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
  expect(requests.some(({ authorization }) => authorization === 'Bearer secret')).toBe(true);
  const total = files.get('vision.w8.onnx')!.length + files.get('text.w8.onnx')!.length;
  expect(progress.at(-1)).toMatchObject({ loadedBytes: total, totalBytes: total });
  for (const [index, { loadedBytes }] of progress.entries()) {
    expect(loadedBytes).toBeGreaterThanOrEqual(progress[index - 1]?.loadedBytes ?? 0);
  }

  requests.length = 0;
  const second = await create({ offline: true });
  expect((await second.classify(picture))[0]!.label).toBe('strawberry');
  await second.dispose();
  expect(requests).toEqual([]);
});

test('hashes of a preset come from the listing, whatever the manifest lacks', async () => {
  const { repo, revision } = presets['mobileclip-s0']!;
  // the preset's files, with nano's bytes: they are fetched, verified and handed to the runtime
  for (const [stem, nano] of [
    ['onnx/vision_model', 'vision.w8.onnx'],
    ['onnx/text_model', 'text.w8.onnx'],
  ] as const) {
    files.set(`${stem}.onnx`, files.get(nano)!);
  }
  const failure = await create({ model: 'mobileclip-s0' }).catch((error: unknown) => error);
  expect(requests.map(({ path }) => path)).toContain(`/api/models/${repo}/tree/${revision}?recursive=true`);
  expect(onnxRequests()).toContain(`/cdn/${repo}/onnx/vision_model.onnx`);
  // nano has 128 dimensions and 64 pixels, the preset 512 and 256: a typed error, not a wrong answer
  expect(failure).toMatchObject({ code: 'MODEL_CORRUPT' });
});

test.each([
  ['a download that breaks', 'break', 'NETWORK'],
  ['a flipped bit', 'flip', 'MODEL_CORRUPT'],
  ['a server error', 503, 'NETWORK'],
  ['a private repository', 401, 'NETWORK'],
] as const)('%s is a typed error, leaves nothing behind, and the next try works', async (_name, kind, code) => {
  fault = (path) => (path.startsWith('/cdn/') && path.includes('vision') ? kind : null);
  await expect(create()).rejects.toMatchObject({ code });
  const left = (await readdir(cacheDir, { recursive: true })).filter((name) => /vision|\.part$/.test(name));
  expect(left).toEqual([]);
  fault = () => null;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
});

test('a damaged file in the cache is fetched again, never loaded', async () => {
  await (await create()).dispose();
  const stored = (await readdir(cacheDir, { recursive: true })).find((name) => name.endsWith('vision.w8.onnx'))!;
  const bytes = await readFile(join(cacheDir, stored));
  bytes[1000]! ^= 1;
  await writeFile(join(cacheDir, stored), bytes);
  requests.length = 0;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  expect(onnxRequests()).toEqual(['/cdn/someone/nano/vision.w8.onnx']);
});

test('a repository without manifest says what to do', async () => {
  files.delete('mclip.json');
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
  fault = () => 503;
  await using classifier = await create();
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
});

test('headers go with model files and nowhere else', async () => {
  files.set('cat.png', await readFile(picture));
  await using classifier = await create({ headers: { authorization: 'Bearer secret' } });
  expect(requests.every(({ authorization }) => authorization === 'Bearer secret')).toBe(true);
  requests.length = 0;
  await classifier.classify(`${hubUrl}/cdn/a/b/cat.png`);
  expect(requests.map(({ authorization }) => authorization)).toEqual([undefined]);
});

test('offline without a stored model touches nothing', async () => {
  await expect(create({ offline: true })).rejects.toMatchObject({ code: 'OFFLINE' });
  expect(requests).toEqual([]);
});

test('aborting a download rejects with the reason and leaves nothing behind', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = () => controller.abort(reason);
  await expect(create({ signal: controller.signal, onProgress })).rejects.toBe(reason);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const left = (await readdir(cacheDir, { recursive: true })).filter((name) => /\.onnx|\.part$/.test(name));
  expect(left.filter((name) => name.endsWith('.part'))).toEqual([]);
});

test('a URL is a model folder too, and a custom fetch is used', async () => {
  const seen: string[] = [];
  const counting: typeof fetch = (input, init) => {
    seen.push(String(input));
    return fetch(input, init);
  };
  await using classifier = await create({ model: `${hubUrl}/cdn/someone/nano`, fetch: counting });
  expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  expect(seen.length).toBeGreaterThanOrEqual(3);
});

test('an image by URL', async () => {
  files.set('cat.png', await readFile(picture));
  await using classifier = await create();
  expect((await classifier.classify(`${hubUrl}/cdn/a/b/cat.png`))[0]!.label).toBe('strawberry');
  await expect(classifier.classify(`${hubUrl}/cdn/a/b/none.png`)).rejects.toMatchObject({ code: 'IMAGE_DECODE' });
  await using offline = await create({ offline: true });
  await expect(offline.classify(`${hubUrl}/cdn/a/b/cat.png`)).rejects.toMatchObject({ code: 'OFFLINE' });
});

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
