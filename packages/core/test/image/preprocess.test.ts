import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { centerCropWindow, scaledSize, shortestEdgeSize, squarePlacement } from '../../src/image/geometry.js';
import { fitToSquare, preprocess, preprocessInto } from '../../src/image/preprocess.js';
import type { PreprocessConfig } from '../../src/image/preprocess-parts.js';
import { type Kind, picture, sha } from './picture.js';

// these compare much and may run beside a build
vi.setConfig({ testTimeout: 60_000 });

type Case = [Kind, number, number, number, number, string, string, number, number, number];
interface Goldens {
  configs: PreprocessConfig[];
  cases: Case[];
}
const goldens: Goldens = JSON.parse(readFileSync(new URL('../fixtures/preprocess.json', import.meta.url), 'utf8'));

const MOBILECLIP: PreprocessConfig = {
  size: 32,
  fit: 'crop',
  interpolation: 'bilinear',
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

test.each(goldens.configs.map((config, index) => ({ ...config, index })))(
  'bytes of Pillow and floats of torchvision: $fit $size $interpolation mean $mean.0',
  ({ index, ...config }) => {
    const cases = goldens.cases.filter((golden) => golden[4] === index);
    expect(cases.length).toBeGreaterThanOrEqual(10);
    for (const [kind, seed, width, height, , bytes, floats, ...samples] of cases) {
      const image = picture(kind, width, height, seed);
      expect(sha(fitToSquare(image, config).data), `bytes of ${kind} ${width}x${height}`).toBe(bytes);
      const pixelValues = preprocess(image, config);
      const spots = [0, pixelValues.length / 3, pixelValues.length - 1];
      expect(spots.map((spot) => pixelValues[spot])).toEqual(samples);
      expect(sha(pixelValues), `floats of ${kind} ${width}x${height}`).toBe(floats);
    }
  },
);

test('a batch is filled in place', () => {
  const images = [picture('noise', 40, 50, 1), picture('smooth', 50, 40, 2)];
  const length = 3 * 32 * 32;
  const batch = new Float32Array(2 * length + 2).fill(-1);
  for (const [i, image] of images.entries()) preprocessInto(image, MOBILECLIP, batch, 1 + i * length);
  for (const [i, image] of images.entries()) {
    expect(batch.slice(1 + i * length, 1 + (i + 1) * length)).toEqual(preprocess(image, MOBILECLIP));
  }
  expect([batch[0], batch[batch.length - 1]]).toEqual([-1, -1]);
});

test.each([-1, 0.5, 1, Number.NaN])('an offset of %s into a batch of one is refused', (offset) => {
  const batch = new Float32Array(3 * 32 * 32);
  const call = () => preprocessInto(picture('noise', 4, 4, 1), MOBILECLIP, batch, offset);
  expect(call).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`${offset}`) }),
  );
});

test.each([
  [{ size: 0 }, 'got 0.'],
  [{ size: 2.5 }, 'got 2.5.'],
  [{ size: Number.NaN }, 'got NaN.'],
  [{ size: 100_000 }, 'got 100000.'],
  [{ fit: 'cover' }, 'got "cover".'],
  [{ interpolation: 'nearest' }, 'got "nearest".'],
  [{ mean: [0, 0] }, 'got [0,0].'],
  [{ mean: [0, Number.NaN, 0] }, 'three finite numbers'],
  [{ std: [1, 0, 1] }, 'got [1,0,1].'],
  [{ std: undefined }, 'got undefined.'],
  [{ fit: 'pad', mean: [2, 0, 0] }, 'got [2,0,0].'],
])('the configuration %o is refused', (change, message) => {
  const config = { ...MOBILECLIP, ...change } as PreprocessConfig;
  const expected = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) });
  expect(() => preprocess(picture('noise', 4, 4, 1), config)).toThrow(expected);
});

test('a malformed picture is refused', () => {
  const image = { data: new Uint8Array(5), width: 2, height: 2 };
  expect(() => preprocess(image, MOBILECLIP)).toThrow(/Expected 12 bytes for 2x2x3, got 5/);
});

test('the longer edge is truncated, margins halve to even', () => {
  expect(shortestEdgeSize(4032, 3024, 256)).toEqual({ width: 341, height: 256 });
  expect(shortestEdgeSize(300, 451, 256)).toEqual({ width: 256, height: 384 });
  const left = (width: number) => centerCropWindow({ width, height: 256 }, 256).x;
  expect([256, 257, 258, 259, 260, 261, 263].map(left)).toEqual([0, 0, 1, 2, 2, 2, 4]);
  expect(squarePlacement(5, 8)).toEqual({ width: 8, height: 8, left: 1, top: 0 });
});

test('a window lies inside its picture for all sizes', () => {
  const side = fc.integer({ min: 1, max: 100_000 });
  fc.assert(
    fc.property(side, side, fc.integer({ min: 1, max: 4096 }), (width, height, size) => {
      const resized = shortestEdgeSize(width, height, size);
      const window = centerCropWindow(resized, size);
      return window.x >= 0 && window.y >= 0 && window.x + size <= resized.width && window.y + size <= resized.height;
    }),
  );
});

test('a picture scaled by its decoder is only cut out or surrounded', () => {
  expect(scaledSize(4032, 3024, { size: 256, fit: 'crop' })).toEqual({ width: 341, height: 256 });
  expect(scaledSize(4032, 3024, { size: 256, fit: 'squash' })).toEqual({ width: 256, height: 256 });
  expect(scaledSize(3024, 4032, { size: 256, fit: 'pad' })).toEqual({ width: 192, height: 256 });
  expect(scaledSize(1, 4032, { size: 256, fit: 'pad' })).toEqual({ width: 1, height: 256 });
});
