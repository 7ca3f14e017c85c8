import { expect, test } from 'vitest';
import { encodeFloats } from '../../src/base64.js';
import { ClipModel } from '../../src/clip/model.js';
import type { ModelOptions } from '../../src/clip/model-options.js';
import { MclipError } from '../../src/errors.js';
import type { DeviceName, FetchedFile, Platform, Runtime, Session } from '../../src/platform.js';
import { smallestManifest, validManifest } from '../model/valid-manifest.js';
import { rejection } from '../thrown.js';

/** A platform in memory whose sessions exist but are never run; devices named in `broken` cannot make one. */
function memoryPlatform({ texts = {} as Record<string, string>, broken = [] as DeviceName[] } = {}) {
  const fetched: string[] = [];
  const session = {
    inputNames: ['pixel_values', 'input_ids'],
    outputNames: ['image_embeds', 'text_embeds'],
    inputMetadata: [],
    run: async () => ({ image_embeds: { type: 'float32', data: new Float32Array(192).fill(1) } }),
    release: async () => {},
  } as unknown as Session;
  const runtime = {
    async createSession(_: unknown, { device }: { device: DeviceName }) {
      if (broken.includes(device)) throw new MclipError('DEVICE_UNAVAILABLE', `no ${device} here`);
      return session;
    },
  } as unknown as Runtime;
  const platform = {
    supportedDevices: ['cuda', 'cpu'],
    autoDevices: () => ['cuda', 'cpu'],
    deviceFacts: async () => ({ identity: '', half: true, unfit: null, memoryBytes: null }),
    readEmbeddings: async (keys: string[]) => keys.map(() => null),
    writeEmbeddings: async () => {},
    hasWorkers: () => true,
    threads: () => ({ count: 2, limitedBy: null }),
    localModelUrl: () => null,
    runtimeSettings: ({ maxPixels }: { maxPixels: number }) => ({ maxPixels }),
    loadRuntime: async () => runtime,
    fetchText: async (url: string) => texts[url] ?? null,
    async fetchFile({ url }: FetchedFile) {
      fetched.push(url);
      return new Uint8Array(1);
    },
  };
  return { platform: platform as unknown as Platform, fetched };
}

const BASE = 'https://host/x';

/** As large as networks that go to a GPU, with the answer that the session gives as its canary. */
function largeManifest() {
  const manifest = validManifest();
  manifest.graphs.vision.files.w8.bytes = 90_000_000;
  manifest.canary.vision = encodeFloats(new Float32Array(192).fill(Math.sqrt(1 / 192)));
  return manifest;
}

function open(options: ModelOptions, manifest: object = largeManifest(), broken: DeviceName[] = []) {
  const { platform, fetched } = memoryPlatform({ texts: { [`${BASE}/mclip.json`]: JSON.stringify(manifest) }, broken });
  return { fetched, opening: ClipModel.open(platform, { model: BASE, worker: false, ...options }) };
}

test.each<[ModelOptions, string]>([
  [{ preprocessing: 'quick' as 'fast' }, '"quick"'],
  [{ dtype: 'q4' }, "vision graph with dtype 'q4'; it has fp32, w8"],
  [{ dtype: { vision: 'w8', text: 'fp32' } }, "text graph with dtype 'fp32'; it has w8"],
  [{ dtype: 'int3' as 'q4' }, "'int3'"],
])('%o is refused before any weights are fetched', async (options, expected) => {
  const { opening, fetched } = open(options);
  expect((await rejection('INVALID_ARGUMENT', opening)).message).toContain(expected);
  expect(fetched).toEqual([]);
});

test('a device that does not exist here is refused with those that do', async () => {
  const { opening } = open({ device: 'webgpu' });
  expect((await rejection('DEVICE_UNAVAILABLE', opening)).message).toContain('cuda, cpu');
});

test('only full-precision weights are chosen unasked, w8 first', async () => {
  const { opening, fetched } = open({});
  await (await opening).load(['vision']);
  expect(fetched).toEqual([`${BASE}/vision.w8.onnx`]);
  const manifest = smallestManifest();
  Object.assign(manifest.graphs.vision, { files: { q8: { file: 'q8.onnx' }, q4: { file: 'q4.onnx' } } });
  expect((await rejection('INVALID_ARGUMENT', open({}, manifest).opening)).message).toContain('it has q8, q4');
});

test('dtypes can be given per graph', async () => {
  const { opening, fetched } = open({ dtype: { vision: 'fp32' } });
  await (await opening).load(['vision']);
  expect(fetched).toEqual([`${BASE}/fp32/vision.onnx`]);
});

test('auto takes the first device that works and says why not the others', async () => {
  const model = await open({}, largeManifest(), ['cuda']).opening;
  await model.load(['vision']);
  expect(model.device).toMatchObject({ name: 'cpu', dtype: 'w8', threads: 2 });
  expect(model.device.rejected).toEqual([{ name: 'cuda', why: 'no cuda here' }]);
});

test('a device that was asked for is not replaced', async () => {
  const model = await open({ device: 'cuda' }, largeManifest(), ['cuda']).opening;
  await rejection('DEVICE_UNAVAILABLE', model.load(['vision']));
});

test('a canary that cannot be one is an error of the manifest', async () => {
  const manifest = largeManifest();
  manifest.canary.vision = encodeFloats(new Float32Array(191));
  const model = await open({}, manifest).opening;
  expect((await rejection('MODEL_CORRUPT', model.load(['vision']))).message).toContain('192 fp32 values');
});

test('a graph is fetched once, however many need it', async () => {
  const { opening, fetched } = open({});
  const model = await opening;
  await Promise.all([model.load(['vision']), model.load(['vision']), model.load(['vision'])]);
  await model.load(['vision']);
  expect(fetched).toEqual([`${BASE}/vision.w8.onnx`]);
});

test("a manifest's own tokenizer that is missing is an error, not the bundled one", async () => {
  const model = await open({}).opening;
  const { message } = await rejection('MODEL_NOT_FOUND', model.load(['text']));
  expect(message).toContain(`${BASE}/tokenizer.json`);
});

test('a signal that is aborted already ends the opening with its reason', async () => {
  await expect(open({ signal: AbortSignal.abort('no') }).opening).rejects.toBe('no');
});
