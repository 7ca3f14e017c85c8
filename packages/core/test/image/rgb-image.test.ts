import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MclipError } from '../../src/errors.js';
import { checkRegion } from '../../src/image/region.js';
import { rgbFromPixels } from '../../src/image/rgb-from-pixels.js';
import { checkRgbImage } from '../../src/image/rgb-image.js';
import { picture, sha } from './picture.js';

const { alpha: golden } = JSON.parse(readFileSync(new URL('../fixtures/resize.json', import.meta.url), 'utf8'));

test('RGBA is composited on white as Pillow does, for every value and alpha', () => {
  const data = new Uint8Array(256 * 256 * 4);
  for (let alpha = 0, i = 0; alpha < 256; alpha++) {
    for (let value = 0; value < 256; value++, i += 4) data.set([value, 255 - value, value ^ 85, alpha], i);
  }
  expect(sha(rgbFromPixels({ data, width: 256, height: 256, channels: 4 }).data)).toBe(golden.onWhite);
});

test('grey is repeated in three channels', () => {
  const data = Uint8Array.from({ length: 256 * 256 }, (_, i) => i & 255);
  expect(sha(rgbFromPixels({ data, width: 256, height: 256, channels: 1 }).data)).toBe(golden.grey);
});

test('RGB is not copied', () => {
  const image = picture('noise', 4, 3, 1);
  expect(rgbFromPixels({ ...image, channels: 3 }).data).toBe(image.data);
  const clamped = Uint8ClampedArray.from(image.data);
  const shared = rgbFromPixels({ ...image, data: clamped, channels: 3 }).data;
  expect(shared).toBeInstanceOf(Uint8Array);
  expect(shared.buffer).toBe(clamped.buffer);
});

test.each([
  { x: -1, y: 0, width: 2, height: 2 },
  { x: 0, y: 0, width: 6, height: 1 },
  { x: 4, y: 0, width: 2, height: 1 },
  { x: 0, y: 3, width: 1, height: 2 },
  { x: 0.5, y: 0, width: 1, height: 1 },
  { x: 0, y: 0, width: 0, height: 1 },
  { x: 0, y: Number.NaN, width: 1, height: 1 },
  { x: 0, y: 0, width: 1 } as never,
  null as never,
])('the region %o is refused', (region) => {
  const error = thrown(() => checkRegion(region, 5, 4));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  if (region !== null) expect(error.message).toContain(`inside the 5x4 image, got { x: ${region.x}, y: ${region.y},`);
});

test.each([
  ['a wrong length', { data: new Uint8Array(35), width: 4, height: 3 }, 'Expected 36 bytes for 4x3x3, got 35.'],
  ['RGBA bytes', { data: new Uint8Array(48), width: 4, height: 3 }, 'Expected 36 bytes for 4x3x3, got 48.'],
  ['floats', { data: new Float32Array(36), width: 4, height: 3 }, 'got Float32Array.'],
  ['signed bytes', { data: new Int8Array(36), width: 4, height: 3 }, 'got Int8Array.'],
  ['an array', { data: Array(36).fill(0), width: 4, height: 3 }, 'got Array.'],
  ['no bytes', { width: 4, height: 3 }, 'got Undefined.'],
  ['a zero size', { data: new Uint8Array(0), width: 0, height: 3 }, 'got 0x3.'],
  ['a NaN size', { data: new Uint8Array(0), width: 4, height: Number.NaN }, 'got 4xNaN.'],
  ['a fractional size', { data: new Uint8Array(36), width: 4.5, height: 3 }, 'got 4.5x3.'],
  ['null', null, 'got null.'],
])('an image of %s is refused', (_, image, message) => {
  const error = thrown(() => checkRgbImage(image as never));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) });
});

test.each([0, 2, 5, Number.NaN, '3', undefined])('%s channels are refused', (channels) => {
  const pixels = { data: new Uint8Array(12), width: 2, height: 2, channels: channels as never };
  expect(thrown(() => rgbFromPixels(pixels))).toMatchObject({ code: 'INVALID_ARGUMENT' });
});

function thrown(call: () => unknown): MclipError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(MclipError);
    return error as MclipError;
  }
  return expect.fail('nothing was thrown');
}
