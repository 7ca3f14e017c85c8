/** Whatever is wrong is a typed error that says what to do, and the classifier works afterwards. */
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import { pngClaiming } from '../../node/test/images.js';
import { NANO_FOLDER } from './support/paths.js';
import { TestSite } from './support/test-site.js';

const CAT = '/examples/node-classify/images/cat.png';

const manifest = await readFile(`${NANO_FOLDER}/mclip.json`, 'utf8');
const damaged = await readFile(`${NANO_FOLDER}/vision.w8.onnx`);
damaged[damaged.length >> 1]! ^= 0xff;
const noise = { type: 'gaussian' as const, mean: 128, sigma: 60 };
const jpeg = await sharp({ create: { width: 400, height: 400, channels: 3, background: '#000', noise } })
  .jpeg()
  .toBuffer();
const heic = Buffer.concat([
  Buffer.from([0, 0, 0, 24]),
  Buffer.from('ftypheic\0\0\0\0mif1heic', 'latin1'),
  Buffer.alloc(200),
]);
const hash = (json: string) => json.replaceAll(/"sha256":\s*"[0-9a-f]{64}"/g, `"sha256":"${'0'.repeat(64)}"`);
const site = new TestSite({
  files: {
    '/files/truncated.jpg': jpeg.subarray(0, jpeg.length >> 1),
    '/files/huge.png': pngClaiming(60_000, 60_000),
    '/files/photo.heic': heic,
    '/models/missing/mclip.json': manifest,
    '/models/damaged/mclip.json': manifest,
    '/models/damaged/vision.w8.onnx': damaged,
    '/models/damaged/text.w8.onnx': await readFile(`${NANO_FOLDER}/text.w8.onnx`),
    '/models/wrong-hash/mclip.json': hash(manifest),
    '/models/wrong-hash/vision.w8.onnx': await readFile(`${NANO_FOLDER}/vision.w8.onnx`),
    '/models/wrong-hash/text.w8.onnx': await readFile(`${NANO_FOLDER}/text.w8.onnx`),
    '/models/not-json/mclip.json': '<!doctype html>',
    '/scripts/broken.js': 'this is not JavaScript',
  },
});
let page: Page;

beforeAll(async () => {
  page = await site.open();
});

for (const worker of [true, false]) {
  test(`images, worker: ${worker}`, async () => {
    const errors = await page.evaluate(
      async ({ worker, cat }) => {
        const classifier = await mclip.createClassifier(LABELS, { model: MODEL, worker, maxPixels: 10_000_000 });
        const best = (await classifier.classify(cat))[0]!.label;
        const closed = await createImageBitmap(new ImageData(4, 4));
        closed.close();
        const closedFrame = new VideoFrame(await createImageBitmap(new ImageData(4, 4)), { timestamp: 0 });
        closedFrame.close();
        // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
        const bad: Record<string, any> = {
          'empty bytes': new Uint8Array(0),
          'empty Blob': new Blob([]),
          'truncated JPEG': '/files/truncated.jpg',
          'text file': new Blob(['hello, this is not a picture']),
          '60000 x 60000': '/files/huge.png',
          'too large ImageData': { data: new Uint8Array(4), width: 5000, height: 5000 },
          'NaN pixels': { data: new Float32Array(12).fill(Number.NaN), width: 2, height: 2, channels: 3 },
          'wrong channels': { data: new Uint8Array(20), width: 2, height: 2, channels: 5 },
          'wrong length': { data: new Uint8Array(11), width: 2, height: 2, channels: 3 },
          HEIC: '/files/photo.heic',
          'SVG without its type': new Blob(['<svg xmlns="http://www.w3.org/2000/svg"/>']),
          'damaged SVG': new Blob(['<svg xmlns="http://www.w3.org/2000/svg"><g>'], { type: 'image/svg+xml' }),
          'huge SVG': new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9999" height="9999"/>'),
          'SVG that is another XML': new TextEncoder().encode('<?xml version="1.0"?><html/>'),
          'missing URL': '/files/none.png',
          'empty URL': '',
          'no URL': 'http://',
          File: new File(['hello'], 'hello.png'),
          'other origin': 'http://localhost:1/cat.png',
          'bad data: URL': 'data:image/png;base64,%%%',
          'broken <img>': Object.assign(new Image(), { src: '/files/none.png' }),
          'empty <video>': document.createElement('video'),
          'empty canvas': Object.assign(document.createElement('canvas'), { width: 0 }),
          'closed bitmap': closed,
          'closed frame': closedFrame,
          null: null,
          number: 7,
          'bad region': { image: cat, region: { x: 0, y: 0, width: 1e6, height: 1 } },
        };
        const errors: Record<string, { code?: string; message: string } | undefined> = {};
        for (const [name, image] of Object.entries(bad)) {
          errors[name] = (await attempt(() => classifier.classify(image))).error;
          const again = (await classifier.classify(cat))[0]!.label;
          if (again !== best) throw new Error(`The classifier is broken after ${name}.`);
        }
        const one = await classifier.classify({ data: new Uint8Array([9, 9, 9]), width: 1, height: 1, channels: 3 });
        if (one.length !== LABELS.length) throw new Error('1x1 failed');
        await classifier.dispose();
        errors['after dispose'] = (await attempt(() => classifier.classify(cat))).error;
        return errors;
      },
      { worker, cat: CAT },
    );
    const codes = Object.fromEntries(Object.entries(errors).map(([name, error]) => [name, error?.code]));
    expect(codes).toEqual({
      'empty bytes': 'IMAGE_DECODE',
      'empty Blob': 'IMAGE_DECODE',
      'truncated JPEG': 'IMAGE_DECODE',
      'text file': 'IMAGE_DECODE',
      '60000 x 60000': 'IMAGE_TOO_LARGE',
      'too large ImageData': 'IMAGE_TOO_LARGE',
      'NaN pixels': 'INVALID_ARGUMENT',
      'wrong channels': 'INVALID_ARGUMENT',
      'wrong length': 'INVALID_ARGUMENT',
      HEIC: 'IMAGE_DECODE',
      'empty URL': 'INVALID_ARGUMENT',
      'no URL': 'INVALID_ARGUMENT',
      File: 'IMAGE_DECODE',
      'SVG without its type': 'IMAGE_DECODE',
      'damaged SVG': 'IMAGE_DECODE',
      'huge SVG': 'IMAGE_TOO_LARGE',
      'SVG that is another XML': 'IMAGE_DECODE',
      'missing URL': 'IMAGE_DECODE',
      'other origin': 'NETWORK',
      'bad data: URL': 'IMAGE_DECODE',
      'broken <img>': 'IMAGE_DECODE',
      'empty <video>': 'INVALID_ARGUMENT',
      'empty canvas': 'INVALID_ARGUMENT',
      'closed bitmap': 'INVALID_ARGUMENT',
      'closed frame': 'INVALID_ARGUMENT',
      null: 'INVALID_ARGUMENT',
      number: 'INVALID_ARGUMENT',
      'bad region': 'INVALID_ARGUMENT',
      'after dispose': 'DISPOSED',
    });
    expect(errors.HEIC!.message).toMatch(/^http.*\/files\/photo\.heic: HEIC/);
    expect(errors['truncated JPEG']!.message).toContain('/files/truncated.jpg: ');
    expect(errors.File!.message).toMatch(/^hello\.png: Not an image/);
    expect(errors['SVG without its type']!.message).toContain('image/svg+xml');
  });
}

test('labels and models', async () => {
  const errors = await page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const create = (labels: any, options: any = {}) =>
      attempt(async () => {
        const classifier = await mclip.createClassifier(labels, { model: MODEL, ...options });
        await classifier.dispose();
      });
    const bad = {
      'no labels': await create([]),
      'duplicate labels': await create(['a', 'a']),
      'label of another type': await create(['a', 7]),
      'unknown model': await create(['a', 'b'], { model: 'nope' }),
      'no manifest': await create(['a', 'b'], { model: '/models/none/' }),
      'manifest is a page': await create(['a', 'b'], { model: '/models/not-json/' }),
      'missing file': await create(['a', 'b'], { model: '/models/missing/' }),
      'damaged file': await create(['a', 'b'], { model: '/models/damaged/' }),
      'wrong hash': await create(['a', 'b'], { model: '/models/wrong-hash/' }),
      'unknown device': await create(['a', 'b'], { device: 'cuda' }),
      'worker is missing': await create(['a', 'b'], { workerUrl: '/scripts/none.js' }),
      'worker is broken': await create(['a', 'b'], { workerUrl: '/scripts/broken.js' }),
      'worker of another origin': await create(['a', 'b'], { workerUrl: 'http://127.0.0.1:1/clip-worker.js' }),
      'wasm is missing': await create(['a', 'b'], { wasmPaths: '/nowhere' }),
      'nothing stored': await create(['a', 'b'], { offline: true, model: '/models/damaged/../nano/?v=2' }),
    };
    return Object.fromEntries(Object.entries(bad).map(([name, { error }]) => [name, error]));
  });
  expect(Object.fromEntries(Object.entries(errors).map(([name, error]) => [name, error?.code]))).toEqual({
    'no labels': 'INVALID_ARGUMENT',
    'duplicate labels': 'INVALID_ARGUMENT',
    'label of another type': 'INVALID_ARGUMENT',
    'unknown model': 'MODEL_NOT_FOUND',
    'no manifest': 'MODEL_NOT_FOUND',
    'manifest is a page': 'MODEL_CORRUPT',
    'missing file': 'MODEL_NOT_FOUND',
    'damaged file': 'MODEL_CORRUPT',
    'wrong hash': 'MODEL_CORRUPT',
    'unknown device': 'DEVICE_UNAVAILABLE',
    'worker is missing': 'WORKER',
    'worker is broken': 'WORKER',
    'worker of another origin': 'WORKER',
    'wasm is missing': 'DEVICE_UNAVAILABLE',
    'nothing stored': 'OFFLINE',
  });
  expect(errors['worker is missing']!.message).toMatch(/workerUrl .*none\.js.*worker: false/s);
  expect(errors['wasm is missing']!.message).toContain('wasmPaths');
});

test('a model that was fetched once works offline', async () => {
  const label = await page.evaluate(async (cat) => {
    const online = await mclip.createClassifier(LABELS, { model: MODEL });
    await online.dispose();
    const offline = await mclip.createClassifier(LABELS, { model: MODEL, offline: true });
    const blob = await (await fetch(cat)).blob();
    const [best] = await offline.classify(blob);
    await offline.dispose();
    return best!.label;
  }, CAT);
  expect(label).toBeTypeOf('string');
});

// 50 ms are asked for; a busy machine may miss them once
test('aborting before, during and after rejects at once with the reason, and harms nothing', { retry: 2 }, async () => {
  const result = await page.evaluate(async (cat) => {
    const reason = new Error('enough');
    const create = await attempt(() =>
      mclip.createClassifier(LABELS, { model: MODEL, signal: AbortSignal.abort(reason) }),
    );
    const loading = new AbortController();
    const creating = attempt(() => mclip.createClassifier(LABELS, { model: MODEL, signal: loading.signal }));
    setTimeout(() => loading.abort(reason), 5);
    const duringCreate = await creating;

    const classifier = await mclip.createClassifier(LABELS, { model: MODEL });
    const before = await attempt(() => classifier.classify(cat, { signal: AbortSignal.abort(reason) }));
    const running = new AbortController();
    const blob = await (await fetch(cat)).blob();
    const call = attempt(() => classifier.classify(blob, { signal: running.signal }));
    await new Promise((resolve) => setTimeout(resolve, 2));
    const start = performance.now();
    running.abort(reason);
    const during = await call;
    const ms = performance.now() - start;
    const late = new AbortController();
    const after = await attempt(() => classifier.classify(blob, { signal: late.signal }));
    late.abort(reason);
    const again = await attempt(() => classifier.classify(blob));
    await classifier.dispose();
    return { create, duringCreate, before, during, ms, after: after.value?.length, again: again.value?.length };
  }, CAT);
  for (const outcome of [result.create, result.duringCreate, result.before, result.during]) {
    expect(outcome.error?.message).toBe('enough');
  }
  expect(result.ms).toBeLessThan(50);
  expect([result.after, result.again]).toEqual([10, 10]);
  console.log(`aborted within ${result.ms.toFixed(1)} ms`);
});
