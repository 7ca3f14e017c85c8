import type { PixelPart, PixelReader } from '@mclip/core/adapter';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage } from '../src/decode-image.js';
import { halves, pngClaiming } from './images.js';

const decode = async (bytes: Uint8Array, maxPixels = 1e8): Promise<PixelPart> =>
  whole(await decodeImage({ kind: 'bytes', bytes }, { maxPixels }));

/** RGB bytes, whether or not a fourth came along. */
async function whole({ width, height, read }: PixelReader): Promise<PixelPart> {
  const part = await read({ x: 0, y: 0, width, height });
  const data = part.data.filter((_, i) => part.channels === 3 || i % 4 < 3);
  expect(data).toHaveLength(width * height * 3);
  return { ...part, data, channels: 3 };
}

const pixel = ({ data, width }: PixelPart, x: number, y: number) => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

function expectNear(actual: number[], expected: number[], tolerance: number) {
  for (const [index, value] of expected.entries()) {
    expect(Math.abs(actual[index]! - value), `${actual} against ${expected}`).toBeLessThanOrEqual(tolerance);
  }
}

test('lossless formats give the very bytes', async () => {
  const noise = Buffer.from(Array.from({ length: 37 * 23 * 3 }, (_, index) => (index * 7919) % 251));
  const raw = sharp(noise, { raw: { width: 37, height: 23, channels: 3 } });
  for (const encoded of [
    await raw.clone().png().toBuffer(),
    await raw.clone().webp({ lossless: true }).toBuffer(),
    await raw.clone().tiff({ compression: 'lzw' }).toBuffer(),
  ]) {
    const { data, width, height } = await decode(encoded);
    expect([width, height]).toEqual([37, 23]);
    expect(Buffer.compare(Buffer.from(data), noise)).toBe(0);
  }
});

test.each(['jpeg', 'webp', 'avif', 'gif', 'tiff', 'png'] as const)('%s decodes in colour', async (format) => {
  const image = await decode(await (await halves('#ff0000', '#0000ff')).toFormat(format).toBuffer());
  expect([image.width, image.height]).toEqual([40, 20]);
  expectNear(pixel(image, 5, 10), [255, 0, 0], 12);
  expectNear(pixel(image, 34, 10), [0, 0, 255], 12);
});

test('SVG is drawn on white', async () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="10" height="10" fill="#0f0"/></svg>';
  const image = await decode(Buffer.from(svg));
  expect([image.width, image.height]).toEqual([20, 10]);
  expect(pixel(image, 3, 5)).toEqual([0, 255, 0]);
  expect(pixel(image, 16, 5)).toEqual([255, 255, 255]);
});

test.each([
  [1, 40, 20, [255, 0, 0]],
  [2, 40, 20, [0, 0, 255]],
  [3, 40, 20, [0, 0, 255]],
  [4, 40, 20, [255, 0, 0]],
  [5, 20, 40, [255, 0, 0]],
  [6, 20, 40, [255, 0, 0]],
  [7, 20, 40, [0, 0, 255]],
  [8, 20, 40, [0, 0, 255]],
])('EXIF orientation %i is applied', async (orientation, width, height, topLeft) => {
  const encoded = await (await halves('#ff0000', '#0000ff'))
    .jpeg({ quality: 100 })
    .withMetadata({ orientation })
    .toBuffer();
  const image = await decode(encoded);
  expect([image.width, image.height]).toEqual([width, height]);
  expectNear(pixel(image, 2, 2), topLeft, 12);
});

test('alpha is composited on white', async () => {
  const half = { r: 255, g: 0, b: 0, alpha: 0.5 };
  const encoded = await sharp({ create: { width: 8, height: 8, channels: 4, background: half } })
    .png()
    .toBuffer();
  expectNear(pixel(await decode(encoded), 4, 4), [255, 127, 127], 1);
  const clear = { r: 9, g: 9, b: 9, alpha: 0 };
  const transparent = await sharp({ create: { width: 8, height: 8, channels: 4, background: clear } })
    .png()
    .toBuffer();
  expect(pixel(await decode(transparent), 4, 4)).toEqual([255, 255, 255]);
});

test('greyscale, 16-bit, palette and CMYK become 8-bit RGB', async () => {
  const grey = sharp({ create: { width: 8, height: 8, channels: 3, background: '#646464' } });
  expect(pixel(await decode(await grey.clone().toColourspace('b-w').png().toBuffer()), 1, 1)).toEqual([100, 100, 100]);
  expectNear(pixel(await decode(await grey.clone().toColourspace('rgb16').png().toBuffer()), 1, 1), [100, 100, 100], 1);
  const red = sharp({ create: { width: 8, height: 8, channels: 3, background: '#ff0000' } });
  expect(pixel(await decode(await red.clone().png({ palette: true }).toBuffer()), 1, 1)).toEqual([255, 0, 0]);
  const cmyk = pixel(await decode(await red.clone().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer()), 1, 1);
  expect(cmyk[0]).toBeGreaterThan(200);
  expect(cmyk[1]).toBeLessThan(80);
});

test('an embedded ICC profile is converted to sRGB', async () => {
  const colour = sharp({ create: { width: 8, height: 8, channels: 3, background: '#c04020' } });
  const inP3 = await colour.clone().withIccProfile('p3').png().toBuffer();
  // the stored samples differ from sRGB's, the picture does not
  const { data } = await sharp(inP3, { ignoreIcc: true } as object)
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([data[0], data[1], data[2]]).not.toEqual([0xc0, 0x40, 0x20]);
  expectNear(pixel(await decode(inP3), 2, 2), [0xc0, 0x40, 0x20], 2);
});

test('the first frame of an animation is the picture', async () => {
  const frames = Buffer.concat([Buffer.alloc(8 * 8 * 3, 255), Buffer.alloc(8 * 8 * 3, 0)]);
  const encoded = await sharp(frames, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } })
    .gif()
    .toBuffer();
  const image = await decode(encoded);
  expect([image.width, image.height]).toEqual([8, 8]);
  expect(pixel(image, 3, 3)).toEqual([255, 255, 255]);
});

test('scaled decoding gives the size that was asked for', async () => {
  const encoded = await (await halves('#ff0000', '#0000ff', 1600, 1200)).jpeg().toBuffer();
  const scaledSize = (width: number, height: number) => ({ width: width / 5, height: height / 5 });
  const source = { kind: 'bytes', bytes: encoded } as const;
  const image = await whole(await decodeImage(source, { maxPixels: 1e8, fast: true, scaledSize }));
  expect([image.width, image.height]).toEqual([320, 240]);
  expectNear(pixel(image, 20, 100), [255, 0, 0], 6);
});

test.each([
  ['an empty file', new Uint8Array(0), 'IMAGE_DECODE', /empty/],
  ['a text file', Buffer.from('hello, this is no picture'), 'IMAGE_DECODE', /starting "hello, this/],
  ['a header of 60000 x 60000', pngClaiming(60000, 60000), 'IMAGE_TOO_LARGE', /60000x60000.*maxPixels/],
  ['a header without pixels', pngClaiming(40, 40), 'IMAGE_DECODE', /PNG|png/i],
  ['HEIC', Buffer.from('00000018667479706865696300000000686569636d696631', 'hex'), 'IMAGE_DECODE', /HEIC.*convert/],
] as const)('%s is a typed error', async (_name, bytes, code, message) => {
  await expect(decode(bytes)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test('a truncated JPEG is a typed error', async () => {
  const whole = await (await halves('#ff0000', '#0000ff', 400, 400)).jpeg().toBuffer();
  await expect(decode(whole.subarray(0, whole.length / 2))).rejects.toMatchObject({ code: 'IMAGE_DECODE' });
});
