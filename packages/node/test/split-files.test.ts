/** Graphs with their weights in a file beside them: fetched, verified, stored and loaded as one. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCaptioner, createClassifier, type MclipError, models } from '@mclip/node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Hub, NANO_FOLDER, startHub } from '../../../test/support/hub.js';
import { splitModel } from '../../../test/support/split-model.js';
import { picture } from '../../core/test/image/picture.js';

const TINY = fileURLToPath(new URL('fixtures/tiny-vlm', import.meta.url));
const { pictures, cases, stopIds } = JSON.parse(readFileSync(`${TINY}-reference.json`, 'utf8'));
const [one] = cases;
const { kind, width, height, seed } = pictures[one.picture];
const image = { ...picture(kind, width, height, seed), channels: 3 as const };
const strawberry = fileURLToPath(new URL('../../../examples/node-classify/images/strawberry.png', import.meta.url));

let hub: Hub;
let scratch: string;
const settings = (options: object = {}) => ({
  hubUrl: hub.url,
  cacheDir: join(scratch, 'cache'),
  retries: 0,
  ...options,
});

beforeEach(async () => {
  hub = await startHub();
  scratch = await mkdtemp(join(tmpdir(), 'mclip-split-'));
});
afterEach(async () => {
  await hub.close();
  await rm(scratch, { recursive: true });
});

async function serve(files: Map<string, Buffer>) {
  hub.files.clear();
  for (const [name, bytes] of files) hub.files.set(name, bytes);
}

/** transformers' greedy tokens. */
const expected = one.answer.filter((id: number) => !stopIds.includes(id));
async function tokensOf(options: Parameters<typeof createCaptioner>[0]) {
  await using captioner = await createCaptioner({ dtype: 'fp32', ...settings(), ...options });
  const { question: prompt, fit, size: resolution } = one;
  return (await captioner.generate(image, { prompt, fit, resolution, maxNewTokens: 32 })).tokens;
}

test('a captioner whose graphs have their weights beside them', async () => {
  const files = await splitModel(TINY, 'fp32');
  await serve(files);
  const wanted = ['vision_encoder.onnx_data', 'decoder_model_merged.onnx_data'];
  for (const name of wanted) expect(files.get(name)!.length).toBeGreaterThan(100_000);
  let total = 0;
  const onProgress = (event: { phase: string; totalBytes?: number | null }) => {
    if (event.phase === 'download') total = event.totalBytes ?? 0;
  };
  expect(await tokensOf({ model: 'someone/split', onProgress })).toEqual(expected);
  for (const name of wanted) expect(hub.fetches(name)).toHaveLength(1);
  const fetched = [...wanted, ...wanted.map((name) => name.replace('_data', '')), 'embed_tokens.fp16.bin'];
  expect(total).toBe(fetched.reduce((sum, name) => sum + files.get(name)!.length, 0));

  hub.requests.length = 0;
  expect(await tokensOf({ model: 'someone/split', offline: true })).toEqual(expected);
  expect(hub.requests).toEqual([]);
  const [stored] = (await models.list(settings())).filter(({ id }) => id === 'someone/split');
  expect(stored!.bytes).toBeGreaterThanOrEqual(total);
});

test('a classifier too', async () => {
  await serve(await splitModel(NANO_FOLDER, 'w8'));
  await using classifier = await createClassifier(['strawberry', 'dog'], { model: 'someone/split', ...settings() });
  expect((await classifier.classify(strawberry))[0]!.label).toBe('strawberry');
  for (const graph of ['vision', 'text']) expect(hub.fetches(`${graph}.w8.onnx_data`)).toHaveLength(1);
});

test('weights of another content are never loaded', async () => {
  const files = await splitModel(TINY, 'fp32');
  await serve(files);
  hub.fault = ({ name }) => (name === 'decoder_model_merged.onnx_data' ? { do: 'flip', at: 70_000 } : null);
  await expect(tokensOf({ model: 'someone/split' })).rejects.toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringMatching(/decoder_model_merged\.onnx_data/),
  });

  const folder = join(scratch, 'model');
  await mkdir(folder);
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
  expect(await tokensOf({ model: folder })).toEqual(expected);
  const damaged = Buffer.from(files.get('decoder_model_merged.onnx_data')!);
  damaged[70_000]! ^= 1;
  await writeFile(join(folder, 'decoder_model_merged.onnx_data'), damaged);
  await expect(tokensOf({ model: folder })).rejects.toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringMatching(/decoder_model_merged\.onnx_data/),
  });
});

test.each(['../secret.bin', '/etc/hostname'])("a decoder's weights at %s are refused", async (location) => {
  const files = await splitModel(TINY, 'fp32', (data) => (data.startsWith('decoder') ? location : data));
  const folder = join(scratch, 'model');
  await mkdir(folder);
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
  await writeFile(join(scratch, 'secret.bin'), files.get('decoder_model_merged.onnx_data')!);
  const error: MclipError = await tokensOf({ model: folder }).catch((reason) => reason);
  expect(error).toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringMatching(/external data/i) });
});

test('weights that the manifest does not list', async () => {
  const files = await splitModel(TINY, 'fp32');
  const manifest = JSON.parse(files.get('mclip.json')!.toString());
  delete manifest.graphs.decoder.files.fp32.data;
  files.set('mclip.json', Buffer.from(JSON.stringify(manifest)));
  await serve(files);
  const error: MclipError = await tokensOf({ model: 'someone/split' }).catch((reason) => reason);
  expect(error).toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringMatching(/external data.*in the manifest as the graph's `data`/is),
  });
});
