import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { coefficients, type Interpolation } from '../../src/image/coefficients.js';
import { resizeScalar } from '../../src/image/kernel/scalar.js';
import type { PixelPart } from '../../src/image/pixel-reader.js';
import { resize, resizeSimd, resizeWindow } from '../../src/image/resize.js';
import { type ResizePlan, resizeJob } from '../../src/image/resize-plan.js';
import type { RgbImage } from '../../src/image/rgb-image.js';
import { KINDS, type Kind, picture, sha, withAlpha } from './picture.js';

interface Goldens {
  versions: Record<string, string>;
  full: { kind: Kind; seed: number; sizes: [number, number, number, number]; filter: Interpolation; data: string }[];
  cases: [Kind, number, number, number, number, number, string, string][];
}
const goldens: Goldens = JSON.parse(readFileSync(new URL('../fixtures/resize.json', import.meta.url), 'utf8'));

// these compare much and may run beside a build
vi.setConfig({ testTimeout: 60_000 });

/** Made once: hashing millions of indices is most of the time of these tests. */
const pictures = goldens.cases.map(([kind, seed, width, height]) => picture(kind, width, height, seed));
const INTERPOLATIONS = ['bilinear', 'bicubic'] as const;

const kernels = {
  scalar: resizeScalar,
  simd: (...work: Parameters<typeof resizeSimd>) => resizeSimd(...work) ?? expect.fail('the SIMD kernel gave way'),
};

/** The whole result of one kernel, passes and all, also where `resize` would only copy. */
function resizedBy(
  kernel: keyof typeof kernels,
  image: RgbImage,
  width: number,
  height: number,
  interpolation: Interpolation,
  channels: 3 | 4 = 3,
): Uint8Array {
  return carriedOut(kernel, image, { ...wholePlan(width, height), interpolation }, channels);
}

function carriedOut(kernel: keyof typeof kernels, image: RgbImage, plan: ResizePlan, channels: 3 | 4): Uint8Array {
  return kernels[kernel](resizeJob({ ...image, channels }, plan), wholePart(image, channels));
}

function wholePart(image: RgbImage, channels: 3 | 4): PixelPart {
  return { ...image, data: channels === 3 ? image.data : withAlpha(image.data), channels, x: 0, y: 0 };
}

function wholePlan(width: number, height: number) {
  return { size: { width, height }, window: { x: 0, y: 0, width, height } };
}

const side = fc.integer({ min: 1, max: 80 });
const sizes = fc.record({ width: side, height: side, toWidth: side, toHeight: side });
const anyCase = { kind: fc.constantFrom(...KINDS), seed: fc.nat(1000), filter: fc.constantFrom(...INTERPOLATIONS) };

describe.each([
  ['scalar', 3],
  ['scalar', 4],
  ['simd', 3],
  ['simd', 4],
] as const)('the %s kernel on %d channels', (kernel, channels) => {
  test.each(INTERPOLATIONS)('gives the bytes of Pillow, %s', (filter) => {
    const column = filter === 'bilinear' ? 6 : 7;
    const wrong = goldens.cases.filter((golden, i) => {
      const bytes = resizedBy(kernel, pictures[i], golden[4], golden[5], filter, channels);
      return sha(bytes) !== golden[column];
    });
    expect(wrong).toEqual([]);
    expect(goldens.cases.length).toBeGreaterThanOrEqual(600);
  });

  test.each(goldens.full)('gives the bytes of Pillow, in full: $kind $sizes $filter', (golden) => {
    const [width, height, toWidth, toHeight] = golden.sizes;
    const bytes = resizedBy(
      kernel,
      picture(golden.kind, width, height, golden.seed),
      toWidth,
      toHeight,
      golden.filter,
      channels,
    );
    expect([...bytes]).toEqual([...Buffer.from(golden.data, 'hex')]);
  });

  test('keeps a constant image constant', () => {
    const level = fc.integer({ min: 0, max: 255 });
    const arbitrary = fc.record({ ...anyCase, sizes, color: fc.tuple(level, level, level) });
    fc.assert(
      fc.property(arbitrary, ({ sizes: { width, height, toWidth, toHeight }, filter, color }) => {
        const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => color[i % 3]);
        const bytes = resizedBy(kernel, { data, width, height }, toWidth, toHeight, filter, channels);
        return bytes.every((byte, i) => byte === color[i % 3]);
      }),
    );
  });

  test('gives in a window what the full result has there', () => {
    const arbitrary = fc.record({ ...anyCase, sizes, corners: fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()) });
    fc.assert(
      fc.property(arbitrary, ({ kind, seed, filter, sizes: { width, height, toWidth, toHeight }, corners }) => {
        const image = picture(kind, width, height, seed);
        const x = corners[0] % toWidth;
        const y = corners[1] % toHeight;
        const window = { x, y, width: 1 + (corners[2] % (toWidth - x)), height: 1 + (corners[3] % (toHeight - y)) };
        const plan = { size: { width: toWidth, height: toHeight }, window, interpolation: filter };
        const bytes = carriedOut(kernel, image, plan, channels);
        const full = resizedBy(kernel, image, toWidth, toHeight, filter);
        for (let row = 0; row < window.height; row++) {
          const from = ((y + row) * toWidth + x) * 3;
          const part = bytes.subarray(row * window.width * 3, (row + 1) * window.width * 3);
          if (Buffer.compare(part, full.subarray(from, from + window.width * 3)) !== 0) return false;
        }
        return true;
      }),
      { numRuns: 300 },
    );
  });
});

test('both kernels agree on random sizes', () => {
  const longer = fc.integer({ min: 1, max: 400 });
  const arbitrary = fc.record({ ...anyCase, w: longer, h: longer, toW: longer, toH: longer });
  fc.assert(
    fc.property(arbitrary, ({ kind, seed, filter, w, h, toW, toH }) => {
      const image = picture(kind, w, h, seed);
      return (
        Buffer.compare(resizedBy('scalar', image, toW, toH, filter), resizedBy('simd', image, toW, toH, filter)) === 0
      );
    }),
    { numRuns: 150 },
  );
});

test('both kernels agree on a picture on a larger surface', () => {
  const margin = fc.nat(30);
  const arbitrary = fc.record({ ...anyCase, sizes, left: margin, top: margin, right: margin, bottom: margin });
  fc.assert(
    fc.property(
      arbitrary,
      ({ kind, seed, filter, sizes: { width, height, toWidth, toHeight }, left, top, right, bottom }) => {
        const image = picture(kind, width, height, seed);
        const placement = { left, top, width: left + width + right, height: top + height + bottom };
        const fill = [1, 128, 254] as const;
        const canvas = new Uint8Array(placement.width * placement.height * 3).map((_, i) => fill[i % 3]);
        for (let y = 0; y < height; y++) {
          canvas.set(image.data.subarray(y * width * 3, (y + 1) * width * 3), ((y + top) * placement.width + left) * 3);
        }
        const plan = { ...wholePlan(toWidth, toHeight), interpolation: filter };
        const expected = sha(resizeWindow({ ...placement, data: canvas }, plan).data);
        const surrounded = { ...plan, surround: { placement, fill } };
        return (['scalar', 'simd'] as const).every((kernel) =>
          ([3, 4] as const).every((channels) => sha(carriedOut(kernel, image, surrounded, channels)) === expected),
        );
      },
    ),
  );
});

test('the same size is a copy', () => {
  const image = picture('noise', 13, 7, 1);
  const copy = resize(image, 13, 7, 'bicubic');
  expect(copy).toEqual(image);
  expect(copy.data.buffer).not.toBe(image.data.buffer);
});

test('clamped bytes and views into a larger buffer are read as they are', () => {
  const image = picture('noise', 30, 20, 2);
  const expected = resize(image, 11, 9, 'bilinear');
  expect(resize({ ...image, data: Uint8ClampedArray.from(image.data) }, 11, 9, 'bilinear')).toEqual(expected);
  const larger = new Uint8Array(image.data.length + 10);
  larger.set(image.data, 5);
  expect(resize({ ...image, data: larger.subarray(5, -5) }, 11, 9, 'bilinear')).toEqual(expected);
});

test('weights fit the halves the SIMD kernel splits them into', () => {
  for (let inSize = 1; inSize <= 40; inSize++) {
    for (let outSize = 1; outSize <= 40; outSize++) {
      for (const filter of INTERPOLATIONS) {
        for (const weight of coefficients(inSize, outSize, filter).weights) {
          if (Math.abs(weight) >= 2 ** 23) expect.fail(`${weight} for ${inSize} -> ${outSize} ${filter}`);
        }
      }
    }
  }
});

test('a job beyond the memory of the SIMD kernel is done by the scalar one', () => {
  const image = picture('smooth', 2, 2, 3);
  const size = { width: 300_000, height: 3 };
  const job = resizeJob(
    { ...image, channels: 3 },
    { ...wholePlan(size.width, size.height), interpolation: 'bilinear' },
  );
  expect(resizeSimd(job, wholePart(image, 3))).toBeNull();
  expect(sha(resize(image, size.width, size.height, 'bilinear').data)).toBe(
    sha(resizeScalar(job, wholePart(image, 3))),
  );
});

test.each([
  [0, 5],
  [5, -1],
  [Number.NaN, 5],
  [1.5, 5],
  [5, Number.POSITIVE_INFINITY],
  ['7', 5],
  [undefined, 5],
])('a target size of %s x %s is refused', (width, height) => {
  const image = picture('noise', 3, 3, 1);
  const expected = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`${width}x`) });
  if (width === '7') expect(() => resize(image, width as never, height as never, 'bilinear')).toThrow(/"7"x5/);
  else expect(() => resize(image, width as never, height as never, 'bilinear')).toThrow(expected);
});

test('a target beyond 2 GiB is refused', () => {
  expect(() => resize(picture('noise', 3, 3, 1), 50_000, 50_000, 'bilinear')).toThrow(/below 2 GiB.*50000x50000/);
});

test('another filter is refused', () => {
  expect(() => resize(picture('noise', 3, 3, 1), 2, 2, 'lanczos' as never)).toThrow(
    /'bilinear' or 'bicubic', got "lanczos"/,
  );
});
