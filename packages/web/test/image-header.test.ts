/** Sizes are read from headers as the files' own decoders read them. */
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { pngClaiming } from '../../node/test/images.js';
import { type ImageHeader, readImageHeader } from '../src/image-header.js';

const picture = () => sharp({ create: { width: 301, height: 173, channels: 3, background: '#396' } });

const files: [string, () => Promise<Uint8Array>, ImageHeader['format']][] = [
  ['PNG', () => picture().png().toBuffer(), 'png'],
  ['JPEG', () => picture().jpeg().toBuffer(), 'jpeg'],
  ['progressive JPEG', () => picture().jpeg({ progressive: true }).toBuffer(), 'jpeg'],
  ['JPEG with EXIF and a profile', () => picture().withMetadata({ orientation: 1 }).jpeg().toBuffer(), 'jpeg'],
  ['GIF', () => picture().gif().toBuffer(), 'gif'],
  ['WebP', () => picture().webp().toBuffer(), 'webp'],
  ['lossless WebP', () => picture().webp({ lossless: true }).toBuffer(), 'webp'],
  ['WebP with alpha and metadata', () => picture().ensureAlpha(0.5).withMetadata().webp().toBuffer(), 'webp'],
  ['AVIF', () => picture().avif({ effort: 0 }).toBuffer(), 'avif'],
];

for (const [name, make, format] of files) {
  test(name, async () => {
    const bytes = await make();
    expect(await readImageHeader(bytes)).toEqual({ format, size: { width: 301, height: 173 } });
    // cut anywhere: no size, or the right one, and never an exception
    for (let end = 0; end < Math.min(bytes.length, 400); end++) {
      const { size } = await readImageHeader(bytes.subarray(0, end));
      if (size !== null) expect(size).toEqual({ width: 301, height: 173 });
    }
  });
}

test('a size that is claimed only', async () => {
  expect((await readImageHeader(pngClaiming(60_000, 60_000))).size).toEqual({ width: 60_000, height: 60_000 });
});

test('other files', async () => {
  const format = async (text: string) => (await readImageHeader(Uint8Array.from(text, (c) => c.charCodeAt(0)))).format;
  expect(await format('\0\0\0\x18ftypheic\0\0\0\0')).toBe('heic');
  expect(await format('\0\0\0\x18ftypmif1\0\0\0\0heic')).toBe('heic');
  expect(await format('<?xml version="1.0"?><svg/>')).toBe('svg');
  expect(await format('  <svg xmlns="x"/>')).toBe('svg');
  expect(await format('hello')).toBe('unknown');
  expect(await format('')).toBe('unknown');
});
