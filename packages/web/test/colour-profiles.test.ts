/** Pictures in other colour spaces become the same sRGB levels in Chromium as in Node. */
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import { decodeImage as decodeInNode } from '../../node/src/decode-image.js';
import { openDecodePage } from './support/decode-page.js';
import { TestSite } from './support/test-site.js';

/** Profiles, and rounding twice, may cost this many levels of 255; a profile that is ignored costs ten times that. */
const TOLERANCE = 3;
const OPTIONS = { maxPixels: 1e6 };

const site = new TestSite();
let page: Page;
let pictures: Record<string, Buffer>;

beforeAll(async () => {
  const [p3, plain] = await Promise.all([colours().withIccProfile('p3').png().toBuffer(), colours().png().toBuffer()]);
  pictures = {
    'plain.png': plain,
    // the same colours, written with the numbers of Display P3
    'p3.png': p3,
    'p3.jpg': await colours().withIccProfile('p3').jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer(),
    'p3.webp': await colours().withIccProfile('p3').webp({ lossless: true }).toBuffer(),
    // the numbers of the plain picture, said to be Display P3: many are colours that sRGB does not have
    'beyond-srgb.png': withProfileOf(p3, plain),
  };
  page = await openDecodePage(site, pictures);
  await page.addScriptTag({
    type: 'module',
    content: `
      globalThis.rgbOf = async (source, options) => {
        const picture = await decoding.decodeImage(source, options);
        const { width, height, channels } = picture;
        const { data } = await picture.read({ x: 0, y: 0, width, height });
        return Array.from(data.subarray(0, width * height * channels)).filter((_, i) => channels === 3 || i % 4 < 3);
      };`,
  });
  await page.waitForFunction(() => 'rgbOf' in globalThis);
});

/** RGB bytes of the whole picture. */
declare const rgbOf: (...decode: Parameters<typeof import('../src/decode-image.js').decodeImage>) => Promise<number[]>;

async function decodedInNode(bytes: Uint8Array): Promise<Uint8Array> {
  const { width, height, read } = await decodeInNode({ kind: 'bytes', bytes }, OPTIONS);
  return (await read({ x: 0, y: 0, width, height })).data;
}

for (const how of ['Blob', '<img>', 'ImageBitmap'] as const) {
  test(`ICC profiles are applied to a picture (${how})`, async () => {
    const distances: Record<string, number> = {};
    for (const [name, bytes] of Object.entries(pictures)) {
      const inNode = await decodedInNode(bytes);
      const decoded = await decodedInPage(name, how);
      expect(decoded).toHaveLength(inNode.length);
      distances[name] = largestDifference(decoded, inNode);
    }
    console.log(`largest differences to Node, ${how}: ${JSON.stringify(distances)}`);
    expect(distances['plain.png']).toBe(0);
    for (const [name, distance] of Object.entries(distances)) expect(distance, name).toBeLessThanOrEqual(TOLERANCE);
  });
}

test('a profile that is ignored would be seen', async () => {
  const plain = await decodedInNode(pictures['plain.png']!);
  const converted = await decodedInNode(pictures['beyond-srgb.png']!);
  expect(largestDifference(plain, converted)).toBeGreaterThan(10 * TOLERANCE);
});

test('a canvas in Display P3 is converted', async () => {
  const [r, g, b] = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(8, 8);
    const context = canvas.getContext('2d', { colorSpace: 'display-p3' })!;
    context.fillStyle = 'rgb(120 80 200)'; // a colour of sRGB, whose numbers in Display P3 are others
    context.fillRect(0, 0, 8, 8);
    return (await rgbOf({ kind: 'native', image: await createImageBitmap(canvas) }, { maxPixels: 100 })).slice(0, 3);
  });
  expect(Math.max(Math.abs(r! - 120), Math.abs(g! - 80), Math.abs(b! - 200))).toBeLessThanOrEqual(TOLERANCE);
});

async function decodedInPage(name: string, how: 'Blob' | '<img>' | 'ImageBitmap'): Promise<number[]> {
  return page.evaluate(
    async ({ name, how, options }) => {
      const url = `/files/${name}`;
      const blob = await (await fetch(url)).blob();
      const image = Object.assign(new Image(), { src: url });
      const source = {
        Blob: async () => ({ kind: 'blob' as const, blob }),
        // as the caller's side hands them on
        '<img>': async () => ({
          kind: 'native' as const,
          image: await image.decode().then(() => createImageBitmap(image, { premultiplyAlpha: 'none' })),
        }),
        ImageBitmap: async () => ({
          kind: 'native' as const,
          image: await createImageBitmap(await createImageBitmap(blob), { premultiplyAlpha: 'none' }),
        }),
      }[how];
      return rgbOf(await source(), options);
    },
    { name, how, options: OPTIONS },
  );
}

/** Every mixture of five levels of red, green and blue, in blocks of 8 x 8 pixels, which JPEG leaves nearly alone. */
function colours() {
  const edge = 12 * 8; // 144 blocks for 125 colours
  const data = new Uint8Array(edge * edge * 3);
  for (let y = 0; y < edge; y++) {
    for (let x = 0; x < edge; x++) {
      const colour = ((y >> 3) * 12 + (x >> 3)) % 125;
      const levels = [colour % 5, Math.floor(colour / 5) % 5, Math.floor(colour / 25)].map(
        (level) => (level * 255) >> 2,
      );
      data.set(levels, (y * edge + x) * 3);
    }
  }
  return sharp(data, { raw: { width: edge, height: edge, channels: 3 } });
}

/** The pixels of `plain` with the profile of `profiled`: its iCCP chunk, put behind the header. */
function withProfileOf(profiled: Buffer, plain: Buffer): Buffer {
  const at = profiled.indexOf('iCCP') - 4;
  const chunk = profiled.subarray(at, at + 12 + profiled.readUInt32BE(at));
  const headerEnd = 8 + 25;
  return Buffer.concat([plain.subarray(0, headerEnd), chunk, plain.subarray(headerEnd)]);
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
