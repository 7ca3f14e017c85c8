/** A picture that is read in strips gives the bytes of one that is held whole. */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { type PixelReader, withPicture } from '../../src/image/pixel-reader.js';
import { fitToSquare, preprocess } from '../../src/image/preprocess.js';
import { type PreprocessConfig, preprocessParts } from '../../src/image/preprocess-parts.js';
import { rawReader, rgbReader } from '../../src/image/raw-reader.js';
import type { Region } from '../../src/image/region.js';
import { resizeWindow } from '../../src/image/resize.js';
import { resizeParts } from '../../src/image/resize-parts.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import type { Runtime } from '../../src/platform.js';
import { cropRegion, KINDS, picture, sha, withAlpha } from './picture.js';

vi.setConfig({ testTimeout: 60_000 });

const INTERPOLATIONS = ['bilinear', 'bicubic'] as const;

/** As a browser's: parts are RGBA, begin at even pixels, and share one buffer. At most `rows` rows at a time. */
function stripReader(image: RgbImage, asked: Region[] = []): PixelReader {
  const { width, height } = image;
  const rgba = withAlpha(image.data);
  const buffer = new Uint8Array(rgba.length);
  return {
    width,
    height,
    channels: 4,
    async read(wanted) {
      asked.push(wanted);
      const [x, y] = [wanted.x & ~1, wanted.y & ~1];
      const part = { x, y, width: wanted.x + wanted.width - x, height: wanted.y + wanted.height - y };
      buffer.fill(7);
      for (let row = 0; row < part.height; row++) {
        const from = ((y + row) * width + x) * 4;
        buffer.set(rgba.subarray(from, from + part.width * 4), row * part.width * 4);
      }
      return { ...part, data: buffer, channels: 4 };
    },
  };
}

const anyPicture = {
  kind: fc.constantFrom(...KINDS),
  seed: fc.nat(1000),
  interpolation: fc.constantFrom(...INTERPOLATIONS),
};

test('windows of pictures of any size, in strips', async () => {
  // wide ones come in strips of few rows
  const sides = { width: fc.integer({ min: 1, max: 3000 }), height: fc.integer({ min: 1, max: 120 }) };
  const to = fc.integer({ min: 1, max: 90 });
  const arbitrary = fc.record({
    ...anyPicture,
    ...sides,
    toWidth: to,
    toHeight: to,
    corner: fc.tuple(fc.nat(), fc.nat()),
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ kind, seed, interpolation, width, height, toWidth, toHeight, corner }) => {
      const image = picture(kind, width, height, seed);
      const [x, y] = [corner[0] % toWidth, corner[1] % toHeight];
      const plan = {
        size: { width: toWidth, height: toHeight },
        window: { x, y, width: toWidth - x, height: toHeight - y },
        interpolation,
      };
      const asked: Region[] = [];
      const parts = await resizeParts(stripReader(image, asked), plan);
      return sha(parts.data) === sha(resizeWindow(image, plan).data) && asked.every(({ height }) => height > 0);
    }),
    { numRuns: 150 },
  );
});

test.each([
  ['crop', 4000, 1500],
  ['crop', 700, 2900],
  ['pad', 3001, 1200],
  ['pad', 601, 2801],
  ['squash', 2500, 1300],
  ['crop', 64, 64],
] as const)('%s of %d x %d is read from the top down, a part at a time', async (fit, width, height) => {
  for (const interpolation of INTERPOLATIONS) {
    const config: PreprocessConfig = { size: 64, fit, interpolation, mean: [0.5, 0.4, 0.3], std: [1, 1, 1] };
    const image = picture('noise', width, height, 5);
    const asked: Region[] = [];
    const target = new Float32Array(3 * 64 * 64);
    await preprocessParts(stripReader(image, asked), config, target);
    expect(sha(target)).toBe(sha(preprocess(image, config)));
    expect(sha(target)).not.toBe(sha(preprocess(picture('noise', width, height, 6), config)));
    for (const { width: columns, height: rows } of asked) expect(columns * rows * 4).toBeLessThanOrEqual(1 << 20);
    expect(asked.map(({ y }) => y)).toEqual(asked.map(({ y }) => y).sort((a, b) => a - b));
    if (width * height > 64 * 64) expect(asked.length).toBeGreaterThan(1);
  }
});

test('several pictures at once do not disturb each other', async () => {
  const config: PreprocessConfig = { size: 96, fit: 'crop', interpolation: 'bicubic', mean: [0, 0, 0], std: [1, 1, 1] };
  const images = KINDS.map((kind, i) => picture(kind, 1500 + 40 * i, 1100 - 30 * i, i));
  const results = await Promise.all(
    images.map(async (image) => {
      const target = new Float32Array(3 * 96 * 96);
      await preprocessParts(stripReader(image), config, target);
      return sha(target);
    }),
  );
  expect(results).toEqual(images.map((image) => sha(preprocess(image, config))));
});

test('an abort between two parts ends it with the reason, and the next picture is right', async () => {
  const config: PreprocessConfig = {
    size: 64,
    fit: 'crop',
    interpolation: 'bilinear',
    mean: [0, 0, 0],
    std: [1, 1, 1],
  };
  const image = picture('smooth', 2000, 1500, 3);
  const controller = new AbortController();
  const asked: Region[] = [];
  const reader = stripReader(image, asked);
  const aborting: PixelReader = {
    ...reader,
    read(wanted) {
      if (asked.length === 1) controller.abort(new Error('enough'));
      return reader.read(wanted);
    },
  };
  const target = new Float32Array(3 * 64 * 64).fill(-1);
  await expect(preprocessParts(aborting, config, target, controller.signal)).rejects.toThrow('enough');
  expect(asked).toHaveLength(2);
  expect(target.every((value) => value === -1)).toBe(true);
  await preprocessParts(reader, config, target);
  expect(sha(target)).toBe(sha(preprocess(image, config)));
});

test('a region is read as the cropped picture would be, and the picture is freed', async () => {
  const config: PreprocessConfig = {
    size: 48,
    fit: 'crop',
    interpolation: 'bilinear',
    mean: [0, 0, 0],
    std: [1, 1, 1],
  };
  const image = picture('blocks', 1200, 901, 8);
  const region = { x: 301, y: 205, width: 777, height: 513 };
  for (const reader of [stripReader(image), rgbReader(image)]) {
    let closed = 0;
    const options: object[] = [];
    const runtime = {
      decodeImage: async (_source: unknown, given: object) => {
        options.push(given);
        return { ...reader, close: () => closed++ };
      },
    } as unknown as Runtime;
    const target = new Float32Array(3 * 48 * 48);
    const source = { kind: 'native', image: { close: () => closed++ } } as const;
    const decode = { maxPixels: 1e7, fast: true, ...config };
    await withPicture(runtime, { source, region }, decode, undefined, (part) => preprocessParts(part, config, target));
    expect(sha(target)).toBe(sha(preprocess(cropRegion(image, region), config)));
    expect(closed).toBe(2);
    expect(options).toEqual([{ maxPixels: 1e7 }]); // no scaling: the region counts pixels of the file
    const outside = { source, region: { ...region, width: 900 } };
    await expect(withPicture(runtime, outside, decode, undefined, async () => {})).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(closed).toBe(4);
  }
});

test('raw pixels: opaque RGBA is read as it is, other alpha composited on white, grey repeated', async () => {
  const config: PreprocessConfig = {
    size: 16,
    fit: 'crop',
    interpolation: 'bilinear',
    mean: [0, 0, 0],
    std: [1, 1, 1],
  };
  const { width, height, data } = picture('noise', 40, 30, 2);
  const rgba = withAlpha(data);
  const opaque = rgba.map((value, i) => (i % 4 === 3 ? 255 : value));
  const reader = rawReader({ data: opaque, width, height, channels: 4 });
  const part = await reader.read({ x: 3, y: 3, width: 1, height: 1 });
  expect(part.data.buffer).toBe(opaque.buffer);
  const values = new Float32Array(3 * 16 * 16);
  await preprocessParts(reader, config, values);
  expect(sha(values)).toBe(sha(preprocess({ data, width, height }, config)));
  const onWhite = rawReader({ data: rgba, width, height, channels: 4 });
  expect(onWhite.channels).toBe(3);
  const { data: composited } = await onWhite.read({ x: 0, y: 0, width, height });
  expect(composited[0]).toBe(Math.round((rgba[0]! * rgba[3]! + 255 * (255 - rgba[3]!)) / 255));
  const grey = await rawReader({ data: data.subarray(0, width * height), width, height, channels: 1 }).read({
    x: 0,
    y: 0,
    width,
    height,
  });
  expect([...grey.data.subarray(0, 6)]).toEqual([data[0], data[0], data[0], data[1], data[1], data[1]]);
});

test('without WebAssembly a picture in parts gives the same bytes', async () => {
  const config: PreprocessConfig = {
    size: 64,
    fit: 'pad',
    interpolation: 'bicubic',
    mean: [0.2, 0.4, 0.6],
    std: [1, 1, 1],
  };
  const image = picture('extreme', 900, 700, 4);
  const expected = sha(fitToSquare(image, config).data);
  vi.resetModules();
  vi.stubGlobal('WebAssembly', undefined);
  const fresh = await import('../../src/image/preprocess-parts.js');
  const target = new Float32Array(3 * 64 * 64);
  await fresh.preprocessParts(stripReader(image), config, target);
  vi.unstubAllGlobals();
  const bytes = new Uint8Array(3 * 64 * 64).map((_, i) =>
    Math.round((target[(i % 3) * 64 * 64 + Math.floor(i / 3)]! + config.mean[i % 3]!) * 255),
  );
  expect(sha(bytes)).toBe(expected);
});
