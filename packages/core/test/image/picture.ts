/** Seeded test pictures; the same bytes as tools/goldens/pictures.py. */
import { createHash } from 'node:crypto';
import { checkRegion, type Region } from '../../src/image/region.js';
import type { RgbImage } from '../../src/image/rgb-image.js';

export const KINDS = ['noise', 'extreme', 'checker', 'smooth', 'blocks'] as const;
export type Kind = (typeof KINDS)[number];

/** One 32-bit hash of an index. */
function noise(index: number, seed: number): number {
  let x = (index + Math.imul(seed, 0x9e3779b9)) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

export function picture(kind: Kind, width: number, height: number, seed: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, i++) data[i] = value(kind, x, y, c, i, width, seed);
    }
  }
  return { data, width, height };
}

function value(kind: Kind, x: number, y: number, c: number, i: number, width: number, seed: number): number {
  switch (kind) {
    case 'noise':
      return noise(i, seed) >>> 24;
    case 'extreme':
      return (noise(i, seed) >>> 31) * 255;
    case 'checker':
      return ((x + y + (seed & c)) & 1) * 255;
    case 'smooth': {
      const ramp = ((x * (3 + c) + y * (5 - c) + seed * 31) >> 1) & 511;
      return ramp < 256 ? ramp : 511 - ramp;
    }
    case 'blocks':
      return noise(((y >> 3) * ((width + 7) >> 3) + (x >> 3)) * 3 + c, seed) >>> 24;
  }
}

/** RGB bytes with a fourth that must not count. */
export function withAlpha(rgb: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: (rgb.length / 3) * 4 }, (_, i) =>
    i % 4 === 3 ? (i * 37) & 255 : rgb[(i >> 2) * 3 + (i & 3)]!,
  );
}

/** The first 32 hex digits of the SHA-256 of the bytes under a view. */
export function sha(view: ArrayBufferView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

/** The pixels of a region, copied. */
export function cropRegion({ data, width, height }: RgbImage, region: Region): RgbImage {
  checkRegion(region, width, height);
  const rowBytes = region.width * 3;
  const cropped = new Uint8Array(rowBytes * region.height);
  for (let y = 0; y < region.height; y++) {
    const from = ((region.y + y) * width + region.x) * 3;
    cropped.set(data.subarray(from, from + rowBytes), y * rowBytes);
  }
  return { data: cropped, width: region.width, height: region.height };
}
