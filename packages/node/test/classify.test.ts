import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nanoClip } from '@mclip/nano';
import { type Classifier, createClassifier, createEmbedder, LabelSet, similarity } from '@mclip/node';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';

const folder = fileURLToPath(new URL('../../../examples/node-classify/images/', import.meta.url));
const picture = (name: string) => join(folder, `${name}.png`);
// drawings that nano is sure of: these tests are about the library, the model card says how good nano is
const NEUTRAL = ['a photo', 'a picture', 'an image of something', 'a picture of an object', 'a photo of a thing'];
const labels = ['airplane', 'bicycle', 'guitar', 'hamburger', 'penguin', 'rose', 'strawberry', 'umbrella'];

let cacheDir: string;
let classifier: Classifier;

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-'));
  classifier = await createClassifier(labels, { model: nanoClip, cacheDir });
});

afterAll(async () => {
  await classifier.dispose();
  await rm(cacheDir, { recursive: true });
});

test('pictures of a vendor that was never trained on are classified', async () => {
  const tops: (string | null)[] = [];
  for (const label of labels) {
    const results = await classifier.classify(picture(label));
    expect(results.map(({ score }) => score)).toEqual(results.map(({ score }) => score).sort((a, b) => b - a));
    expect(results.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 9);
    expect(new Set(results.map(({ index }) => index)).size).toBe(labels.length);
    for (const { label: name, index } of results) expect(name).toBe(labels[index]);
    tops.push(results[0]!.label);
  }
  expect(tops).toEqual(labels);
});

test('the device says where and why', () => {
  expect(classifier.device).toMatchObject({ name: 'cpu', dtype: 'w8', rejected: [] });
  expect(classifier.device.threads).toBeGreaterThan(0);
  expect(classifier.device.reason).not.toBe('');
});

test('topK cuts the list and leaves the scores', async () => {
  const all = await classifier.classify(picture('strawberry'));
  expect(await classifier.classify(picture('strawberry'), { topK: 2 })).toEqual(all.slice(0, 2));
  expect(await classifier.classify(picture('strawberry'), { topK: 99 })).toHaveLength(labels.length);
  await expect(classifier.classify(picture('strawberry'), { topK: 0 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});

test('every kind of source gives the same answer, and no buffer is detached', async () => {
  const path = picture('guitar');
  const expected = await classifier.classify(path);
  const file = await readFile(path);
  const encoded = new Uint8Array(file);
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  const pixels = { data: new Uint8Array(data), width: info.width, height: info.height, channels: info.channels };
  const buffer = { ...pixels, data: Buffer.from(data) };
  const sources = {
    'file: URL': new URL(`file://${path}`),
    'file: string': `file://${path}`,
    'data: URL': `data:image/png;base64,${file.toString('base64')}`,
    Buffer: file,
    Uint8Array: encoded,
    'Uint8Array view': new Uint8Array(Buffer.concat([Buffer.alloc(100), file, Buffer.alloc(9)]).buffer).subarray(0, 0),
    ArrayBuffer: encoded.buffer,
    Blob: new Blob([encoded]),
    pixels,
    'pixels in a Buffer': buffer,
    'pixels without channels': { data: new Uint8ClampedArray(data), width: info.width, height: info.height },
  };
  const padded = new Uint8Array(file.length + 109);
  padded.set(file, 100);
  sources['Uint8Array view'] = padded.subarray(100, 100 + file.length);
  for (const [kind, source] of Object.entries(sources)) {
    const results = await classifier.classify(source);
    expect(results, kind).toEqual(expected);
  }
  expect(encoded.length).toBe(file.length);
  for (const { data } of [pixels, buffer]) expect(data.length).toBe(info.width * info.height * info.channels);
});

test('a region is looked at alone', async () => {
  const tile = 128;
  const at = (name: string, left: number) =>
    sharp(picture(name))
      .resize(tile, tile)
      .flatten({ background: '#fff' })
      .toBuffer()
      .then((input) => ({ input, left, top: 0 }));
  const sheet = await sharp({ create: { width: 2 * tile, height: tile, channels: 3, background: '#fff' } })
    .composite([await at('strawberry', 0), await at('penguin', tile)])
    .png()
    .toBuffer();
  const [left] = await classifier.classify({ image: sheet, region: { x: 0, y: 0, width: tile, height: tile } });
  const [right] = await classifier.classify({ image: sheet, region: { x: tile, y: 0, width: tile, height: tile } });
  expect([left!.label, right!.label]).toEqual(['strawberry', 'penguin']);
  await expect(
    classifier.classify({ image: sheet, region: { x: tile, y: 0, width: tile + 1, height: tile } }),
  ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`width: ${tile + 1}`) });
});

test('inline and in a worker give the same bits', async () => {
  await using inline = await createClassifier(labels, { model: nanoClip, cacheDir, worker: false });
  for (const label of labels) {
    expect(await inline.classify(picture(label))).toEqual(await classifier.classify(picture(label)));
  }
});

test('a batch and a stream keep the order of their source', async () => {
  const single = [];
  for (const label of labels) single.push(await classifier.classify(picture(label), { topK: 1 }));
  expect(await classifier.classifyBatch(labels.map(picture), { topK: 1 })).toEqual(single);
  async function* source() {
    for (const label of labels) yield picture(label);
  }
  const streamed = [];
  for await (const item of classifier.classifyStream(source(), { topK: 1 })) streamed.push(item);
  expect(streamed).toEqual(single.map((results, index) => ({ index, results })));
});

test('a stream ends at a bad image, or reports it and goes on', async () => {
  const images = [picture('cat'), '/no/such/file.png', picture('dog')];
  const seen: number[] = [];
  const failing = async () => {
    for await (const { index } of classifier.classifyStream(images)) seen.push(index);
  };
  await expect(failing()).rejects.toMatchObject({ code: 'IMAGE_DECODE' });
  expect(seen).toEqual([0]);
  const errors: number[] = [];
  const kept: number[] = [];
  for await (const { index } of classifier.classifyStream(images, { onError: (_error, at) => errors.push(at) }))
    kept.push(index);
  expect([kept, errors]).toEqual([[0, 2], [1]]);
});

test('withLabels shares the model and outlives the first classifier', async () => {
  const first = await createClassifier(['cat', 'dog'], { model: nanoClip, cacheDir });
  const second = await first.withLabels(['strawberry', 'rose']);
  await first.dispose();
  expect((await second.classify(picture('strawberry')))[0]!.label).toBe('strawberry');
  await expect(first.classify(picture('strawberry'))).rejects.toMatchObject({ code: 'DISPOSED' });
  await second.dispose();
  await second.dispose();
  await expect(second.classify(picture('strawberry'))).rejects.toMatchObject({ code: 'DISPOSED' });
});

test('a label set is all that is needed: the text tower is not even looked for', async () => {
  const json = JSON.stringify(classifier.labelSet());
  const withoutText = {
    manifest: nanoClip.manifest,
    fileUrl(file: string) {
      if (file.startsWith('text')) return new URL('file:///no/such/text.onnx');
      return nanoClip.fileUrl(file);
    },
  };
  const empty = await mkdtemp(join(tmpdir(), 'mclip-'));
  await using restored = await createClassifier(LabelSet.fromJSON(json), { model: withoutText, cacheDir: empty });
  expect(await restored.classify(picture('umbrella'))).toEqual(await classifier.classify(picture('umbrella')));
  await expect(restored.withLabels(['new label'])).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  await rm(empty, { recursive: true });
});

test('a label set of another model is refused', async () => {
  const json = { ...classifier.labelSet().toJSON(), visionSha256: '0'.repeat(64) };
  await expect(createClassifier(LabelSet.fromJSON(json), { model: nanoClip, cacheDir })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('embed the labels again'),
  });
});

test('labels are kept on disk: a second classifier needs no text tower', async () => {
  let textReads = 0;
  const counting = {
    manifest: nanoClip.manifest,
    fileUrl(file: string) {
      if (file.startsWith('text')) textReads++;
      return nanoClip.fileUrl(file);
    },
  };
  const own = await mkdtemp(join(tmpdir(), 'mclip-'));
  const loads: string[] = [];
  const onProgress = (progress: { phase: string }) => loads.push(progress.phase);
  const first = await createClassifier(['cat', 'dog'], { model: counting, cacheDir: own, onProgress });
  expect(loads).toContain('text');
  loads.length = 0;
  const second = await createClassifier(['dog', 'cat'], { model: counting, cacheDir: own, onProgress });
  expect(loads).not.toContain('text');
  expect(textReads).toBeGreaterThan(0);
  const sorted = (items: { label: string | null; score: number }[]) =>
    items.map(({ label, score }) => [label, score]).sort();
  expect(sorted(await second.classify(picture('dog')))).toEqual(sorted(await first.classify(picture('dog'))));
  await Promise.all([first.dispose(), second.dispose()]);
  await rm(own, { recursive: true });
});

test('unknown adds a null class that competes with the labels', async () => {
  await using careful = await classifier.withLabels(['penguin', 'bicycle', 'rose'], { unknown: true });
  await using plain = await classifier.withLabels(['penguin', 'bicycle', 'rose']);
  await using embedder = await createEmbedder({ model: nanoClip, cacheDir });
  const results = await careful.classify(picture('penguin'));
  expect(results[0]!.label).toBe('penguin');
  expect(results.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 9);
  const nothing = results.find(({ label }) => label === null)!;
  expect(nothing.index).toBe(-1);
  // its similarity is that of prompts which fit any picture
  const image = await embedder.encodeImage(picture('penguin'));
  const prompts = await embedder.encodeTexts(NEUTRAL);
  const mean = prompts[0]!.map((_, at) => prompts.reduce((sum, prompt) => sum + prompt[at]!, 0));
  expect(nothing.similarity).toBeCloseTo(similarity(image, mean), 5);
  // and the labels give up to it what it takes
  const [best] = await plain.classify(picture('penguin'));
  expect(results[0]!.score).toBeCloseTo(best!.score * (1 - nothing.score), 6);
});

test('sigmoid scores stand alone: they do not depend on the other labels', async () => {
  await using many = await classifier.withLabels(labels, { scores: 'sigmoid' });
  await using one = await classifier.withLabels(['strawberry'], { scores: 'sigmoid' });
  const among = (await many.classify(picture('strawberry'))).find(({ label }) => label === 'strawberry')!;
  const [alone] = await one.classify(picture('strawberry'));
  expect(alone!.score).toBeCloseTo(among.score, 6);
  expect(alone!.score).toBeGreaterThan(0.5);
  const [other] = await one.classify(picture('bicycle'));
  expect(other!.score).toBeLessThan(alone!.score);
});

test('similarity scores are cosines of the embedder', async () => {
  await using plain = await classifier.withLabels(['cat', 'dog'], { scores: 'similarity', templates: 'none' });
  await using embedder = await createEmbedder({ model: nanoClip, cacheDir });
  const image = await embedder.encodeImage(picture('cat'));
  const texts = await embedder.encodeTexts(['cat', 'dog']);
  expect(image).toHaveLength(embedder.dim);
  expect(texts[0]!.buffer).toBe(texts[1]!.buffer);
  for (const { index, score } of await plain.classify(picture('cat'))) {
    expect(score).toBeCloseTo(similarity(image, texts[index]!), 5);
  }
  expect(await embedder.encodeImages([picture('cat')])).toEqual([image]);
  expect(await embedder.encodeText('dog')).toEqual(Float32Array.from(texts[1]!));
});

test('templates change the embeddings, and a custom list equals the named one', async () => {
  await using photo = await classifier.withLabels(['penguin', 'rose'], { templates: ['a photo of a {}.'] });
  await using none = await classifier.withLabels(['penguin', 'rose'], { templates: 'none' });
  await using many = await classifier.withLabels(['penguin', 'rose'], { templates: 'openai-80' });
  const embeddings = (of: Classifier) => of.labelSet().toJSON().embeddings;
  expect(embeddings(photo)).toBe((await createdAs('photo')).embeddings);
  expect(new Set([photo, none, many].map(embeddings)).size).toBe(3);
  expect((await many.classify(picture('penguin')))[0]!.label).toBe('penguin');

  async function createdAs(templates: 'photo') {
    await using named = await classifier.withLabels(['penguin', 'rose'], { templates });
    return named.labelSet().toJSON();
  }
});

test('fast preprocessing agrees on the label', async () => {
  await using fast = await createClassifier(labels, { model: nanoClip, cacheDir, preprocessing: 'fast' });
  for (const label of labels) expect((await fast.classify(picture(label)))[0]!.label).toBe(label);
});

test('many concurrent calls all answer', async () => {
  const results = await Promise.all(
    Array.from({ length: 60 }, (_, index) => classifier.classify(picture(labels[index % 8]!), { topK: 1 })),
  );
  expect(results.map(([best]) => best!.label)).toEqual(Array.from({ length: 60 }, (_, index) => labels[index % 8]));
});
