import { cp, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nanoClip } from '@mclip/nano';
import { type Classifier, createClassifier, createEmbedder, MclipError } from '@mclip/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { halves, pngClaiming } from './images.js';

const picture = fileURLToPath(new URL('../../../examples/node-classify/images/strawberry.png', import.meta.url));
const nanoFolder = fileURLToPath(new URL('../../nano/models/clip/', import.meta.url));

let scratch: string;
let classifiers: Classifier[];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'mclip-'));
  const options = { model: nanoClip, cacheDir: join(scratch, 'cache') };
  classifiers = [
    await createClassifier(['strawberry', 'dog'], options),
    await createClassifier(['strawberry', 'dog'], { ...options, worker: false }),
  ];
});

afterAll(async () => {
  for (const classifier of classifiers) await classifier.dispose();
  await rm(scratch, { recursive: true });
});

/** In a worker and inline: the error has this code and message, and the classifier still works. */
async function expectError(image: unknown, code: string, message: RegExp) {
  for (const classifier of classifiers) {
    const error = await classifier.classify(image as string).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(MclipError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  }
}

const jpeg = async () => (await halves('#ff0000', '#0000ff', 400, 400)).jpeg().toBuffer();

test('an empty file', () => expectError(new Uint8Array(0), 'IMAGE_DECODE', /empty/));
test('a text file', () => expectError(Buffer.from('not a picture at all'), 'IMAGE_DECODE', /starting "not a/));
test('a truncated JPEG', async () => expectError((await jpeg()).subarray(0, 900), 'IMAGE_DECODE', /JPEG/i));
test('a header that claims 60000 x 60000', () =>
  expectError(pngClaiming(60000, 60000), 'IMAGE_TOO_LARGE', /maxPixels/));
test('HEIC', () =>
  expectError(Buffer.from('00000018667479706865696300000000686569636d696631', 'hex'), 'IMAGE_DECODE', /HEIC/));
test('an empty path', () => expectError('', 'INVALID_ARGUMENT', /path.*empty/));
test('a file: URL of another machine', () => expectError('file://there/x.png', 'INVALID_ARGUMENT', /file:\/\/there/));
test('a file of another kind is named', () =>
  expectError(join(nanoFolder, 'mclip.json'), 'IMAGE_DECODE', /mclip\.json: Not a readable JPEG/));
test('a missing file', () => expectError('/no/such/cat.png', 'IMAGE_DECODE', /No such file.*\/no\/such\/cat\.png/));
test('a folder', () => expectError(nanoFolder, 'IMAGE_DECODE', /Cannot read/));
test('NaN pixels', () =>
  expectError(
    { data: new Float32Array(12).fill(Number.NaN), width: 2, height: 2 },
    'INVALID_ARGUMENT',
    /Float32Array/,
  ));
test('plain arrays of pixels', () =>
  expectError({ data: [1, 2, 3], width: 1, height: 1 }, 'INVALID_ARGUMENT', /Array/));
test('two channels', () =>
  expectError({ data: new Uint8Array(8), width: 2, height: 2, channels: 2 }, 'INVALID_ARGUMENT', /channels.*2/));
test('too few pixels', () =>
  expectError({ data: new Uint8Array(11), width: 2, height: 2, channels: 3 }, 'INVALID_ARGUMENT', /12.*11/));
test('no width', () => expectError({ data: new Uint8Array(12), height: 2 }, 'INVALID_ARGUMENT', /undefinedx2/));
test('a huge raw image', () =>
  expectError({ data: new Uint8Array(3), width: 1e5, height: 1e5, channels: 3 }, 'IMAGE_TOO_LARGE', /100000x100000/));
test.each([null, undefined, 7, {}, [], true])('%s as an image', (value) =>
  expectError(value, 'INVALID_ARGUMENT', /An image must be/),
);
test('a region without size', () =>
  expectError({ image: picture, region: { x: 0, y: 0 } }, 'INVALID_ARGUMENT', /region/));
test('an unsupported protocol', () => expectError('https://localhost:1/x.png', 'NETWORK', /localhost:1/));
test('URLs where there is nothing, an error, or half a picture', async () => {
  const server = createServer(async (request, response) => {
    const status = Number(/\d+/.exec(request.url!)?.[0]);
    response.writeHead(status || 200, { 'content-length': status ? 0 : 2 ** 20 });
    if (status) response.end();
    else response.write(await readFile(picture), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await expectError(`${url}/404`, 'IMAGE_DECODE', /No image at http.*404/);
    await expectError(`${url}/500`, 'NETWORK', /500/);
    await expectError(`${url}/half.png`, 'NETWORK', /half\.png broke off/);
  } finally {
    server.close();
  }
});

test('a picture of one pixel is a picture', async () => {
  for (const classifier of classifiers) {
    const results = await classifier.classify({ data: new Uint8Array([9, 9, 9]), width: 1, height: 1 });
    expect(results).toHaveLength(2);
    expect(results[0]!.score).toBeGreaterThan(0);
  }
});

test.each([
  ['no labels', [], /non-empty/],
  ['an empty label', ['cat', ''], /labels\[1\]/],
  ['a blank label', ['cat', '  '], /labels\[1\]/],
  ['a repeated label', ['cat', 'dog', 'cat'], /labels\[2\] repeats labels\[0\]/],
  ['a number', ['cat', 3], /labels\[1\].*3/],
  ['a string', 'cat', /list/],
  ['nothing', undefined, /list/],
])('labels: %s', async (_name, labels, message) => {
  await expect(createClassifier(labels as string[], { model: nanoClip })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(message),
  });
});

test.each([
  ['an unknown preset', { model: 'mobileclip9' }, 'MODEL_NOT_FOUND', /mobileclip2-s0/],
  ['a preset without ONNX files', { model: 'mobileclip2-s4' }, 'MODEL_NOT_FOUND', /export/],
  ['a folder without manifest', { model: tmpdir() }, 'MODEL_NOT_FOUND', /mclip\.json/],
  ['an empty model name', { model: '' }, 'INVALID_ARGUMENT', /model must be/],
  ['a number as model', { model: 5 }, 'INVALID_ARGUMENT', /model must be/],
  ['an unknown device', { device: 'tpu' }, 'DEVICE_UNAVAILABLE', /tpu.*cpu/],
  ['a dtype the model lacks', { dtype: 'q4' }, 'INVALID_ARGUMENT', /q4.*w8/],
  ['an unknown score function', { scores: 'max' }, 'INVALID_ARGUMENT', /softmax/],
  ['a template without {}', { templates: ['a cat'] }, 'INVALID_ARGUMENT', /\{\}/],
  ['an unknown template name', { templates: 'photos' }, 'INVALID_ARGUMENT', /photos/],
  ['half a thread', { numThreads: 0.5 }, 'INVALID_ARGUMENT', /numThreads.*0\.5/],
  ['negative pixels', { maxPixels: -1 }, 'INVALID_ARGUMENT', /maxPixels/],
  ['unknown preprocessing', { preprocessing: 'quick' }, 'INVALID_ARGUMENT', /quick/],
  ['no model after all', { model: null }, 'INVALID_ARGUMENT', /model must be.*null/],
  ['a flag as text', { offline: 'false' }, 'INVALID_ARGUMENT', /offline must be true or false.*"false"/],
  ['a number for unknown', { unknown: 0 }, 'INVALID_ARGUMENT', /unknown must be true or false.*0/],
  ['a number as cache folder', { cacheDir: 5 }, 'INVALID_ARGUMENT', /cacheDir must be.*5/],
  ['a controller as signal', { signal: new AbortController() }, 'INVALID_ARGUMENT', /signal must be an AbortSignal/],
  ['progress that cannot be told', { onProgress: true }, 'INVALID_ARGUMENT', /onProgress must be a function/],
  ['a misspelt name', { template: 'none' }, 'INVALID_ARGUMENT', /no option 'template'.*templates/],
  ["another library's name", { progress_callback: () => {} }, 'INVALID_ARGUMENT', /progress_callback.*onProgress/],
])('%s', async (_name, options, code, message) => {
  await expect(createClassifier(['cat'], { model: nanoClip, ...(options as object) })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

test.each([
  ['null', null, /Options must be an object, got null/],
  ['a number', 3, /Options must be an object, got 3/],
  ['a misspelt name', { topk: 1 }, /no option 'topk'.*topK/],
  ['a number as text', { topK: '2' }, /topK must be a positive integer, got "2"/],
  ['a signal that is none', { signal: 5 }, /signal must be an AbortSignal, got 5/],
])('as options of a call: %s', async (_name, options, message) => {
  const expected = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) };
  const wrong = options as object;
  for (const classifier of classifiers) {
    await expect(classifier.classify(picture, wrong)).rejects.toMatchObject(expected);
    await expect(classifier.classifyBatch([picture], wrong)).rejects.toMatchObject(expected);
    await expect(classifier.withLabels(['cat'], wrong)).rejects.toMatchObject(expected);
    await expect(classifier.warmup(wrong)).rejects.toMatchObject(expected);
  }
  await expect(createClassifier(['cat'], wrong)).rejects.toMatchObject(expected);
  await expect(createEmbedder(wrong)).rejects.toMatchObject(expected);
  await using embedder = await createEmbedder({ model: nanoClip });
  await expect(embedder.encodeImage(picture, wrong)).rejects.toMatchObject(expected);
  await expect(embedder.encodeText('a cat', wrong)).rejects.toMatchObject(expected);
});

test('options left undefined, and those of other calls, are as if they were not there', async () => {
  const options = { topK: 1, templates: undefined, device: undefined, signal: undefined, onProgress: undefined };
  await using classifier = await createClassifier(['strawberry', 'dog'], { model: nanoClip, ...(options as object) });
  expect(await classifier.classify(picture, { model: nanoClip, ...options } as object)).toHaveLength(1);
  expect(await classifier.classify(picture, { topK: undefined } as object)).toHaveLength(2);
  await using careful = await classifier.withLabels(['strawberry'], { unknown: true, templates: 'none' });
  await using alike = await careful.withLabels(['strawberry'], { unknown: undefined, templates: undefined } as object);
  expect(await alike.classify(picture)).toEqual(await careful.classify(picture));
});

test.each([true, false])('a device that is not on this machine (worker: %s)', async (worker) => {
  await expect(createClassifier(['cat'], { model: nanoClip, device: 'cuda', worker })).rejects.toMatchObject({
    code: 'DEVICE_UNAVAILABLE',
  });
});

test('a preset offline', async () => {
  const cacheDir = join(scratch, 'nothing-here');
  await expect(createClassifier(['cat'], { offline: true, cacheDir })).rejects.toMatchObject({ code: 'OFFLINE' });
});

test.each([
  ['a missing file', (file: string) => rm(file), 'MODEL_NOT_FOUND', /does not exist/],
  ['a short file', (file: string) => truncate(file), 'MODEL_CORRUPT', /bytes instead of/],
  ['a flipped bit', (file: string) => flipBit(file), 'MODEL_CORRUPT', /SHA-256/],
])('a model folder with %s', async (name, damage, code, message) => {
  const folder = join(scratch, name.replaceAll(' ', '-'));
  await cp(nanoFolder, folder, { recursive: true });
  await damage(join(folder, 'vision.w8.onnx'));
  await expect(createClassifier(['cat'], { model: folder })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

test('a model file that is no ONNX, with a manifest that agrees', async () => {
  const folder = join(scratch, 'no-onnx');
  await cp(nanoFolder, folder, { recursive: true });
  await writeFile(join(folder, 'vision.w8.onnx'), 'no protobuf here');
  const manifest = JSON.parse(await readFile(join(folder, 'mclip.json'), 'utf8'));
  manifest.graphs.vision.files.w8 = { file: 'vision.w8.onnx' };
  await writeFile(join(folder, 'mclip.json'), JSON.stringify(manifest));
  await expect(createClassifier(['cat'], { model: folder })).rejects.toMatchObject({ code: 'MODEL_CORRUPT' });
});

test('a manifest that is no JSON', async () => {
  const folder = join(scratch, 'no-json');
  await cp(nanoFolder, folder, { recursive: true });
  await writeFile(join(folder, 'mclip.json'), '{ "mclip": 1,');
  await expect(createClassifier(['cat'], { model: folder })).rejects.toMatchObject({ code: 'MODEL_CORRUPT' });
});

// 50 ms are asked for; a busy machine may miss them once
test('aborting before, during and after', { retry: 2 }, async () => {
  for (const classifier of classifiers) {
    const reason = new Error('changed my mind');
    await expect(classifier.classify(picture, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);

    const during = new AbortController();
    const pending = classifier.classify(picture, { signal: during.signal });
    const abortedAt = performance.now();
    during.abort(reason);
    await expect(pending).rejects.toBe(reason);
    expect(performance.now() - abortedAt).toBeLessThan(50);

    const after = new AbortController();
    const results = await classifier.classify(picture, { signal: after.signal });
    after.abort(reason);
    expect(results[0]!.label).toBe('strawberry');
    expect((await classifier.classify(picture))[0]!.label).toBe('strawberry');
  }
});

test('aborting creation', async () => {
  const reason = new Error('no');
  await expect(createClassifier(['cat'], { model: nanoClip, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const during = new AbortController();
  const pending = createClassifier(['cat'], { model: nanoClip, signal: during.signal });
  setTimeout(() => during.abort(reason), 5);
  await expect(pending).rejects.toBe(reason);
});

test('disposing while calls are under way', async () => {
  const classifier = await createClassifier(['cat'], { model: nanoClip, cacheDir: join(scratch, 'cache') });
  const pending = Array.from({ length: 8 }, () => classifier.classify(picture).catch((error: unknown) => error));
  await classifier.dispose();
  for (const outcome of await Promise.all(pending)) {
    if (!Array.isArray(outcome)) expect(outcome).toMatchObject({ code: 'DISPOSED' });
  }
});

async function truncate(file: string) {
  const handle = await open(file, 'r+');
  await handle.truncate(1000);
  await handle.close();
}

async function flipBit(file: string) {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(file, bytes);
}
