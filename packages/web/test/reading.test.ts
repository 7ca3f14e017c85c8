/**
 * How Chromium's pictures are read, without a canvas and with one: whichever decoder and however cut into parts, the
 * pixels are Node's. PNG files the same bytes, JPEG files within a few grey levels once they are resized.
 */
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import { preprocessParts } from '../../core/src/image/preprocess-parts.js';
import { decodeImage as decodeInNode } from '../../node/src/decode-image.js';
import { openDecodePage } from './support/decode-page.js';
import { TestSite } from './support/test-site.js';

const [WIDTH, HEIGHT] = [532, 388];
/** Grey levels of 255, after resizing: decoders spread colours differently. */
const JPEG_TOLERANCE = 3;
/** Decoded at a fraction of its size. */
const FAST_TOLERANCE = 12;
const OPTIONS = { maxPixels: 1e7 };
const ORIENTATIONS = [1, 2, 3, 4, 5, 6, 7, 8];
const CONFIG = { fit: 'squash', interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] } as const;

const site = new TestSite();
let page: Page;
const files: Record<string, Buffer> = {};

beforeAll(async () => {
  const jpeg = () => picture().jpeg({ quality: 95 });
  for (const orientation of ORIENTATIONS) {
    files[`${orientation}.jpg`] = await jpeg().withMetadata({ orientation }).toBuffer();
  }
  files['full-colour.jpg'] = await picture().jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
  files['grey.jpg'] = await picture().greyscale().jpeg({ quality: 95 }).toBuffer();
  files['progressive.jpg'] = await jpeg().jpeg({ quality: 95, progressive: true }).toBuffer();
  files['opaque.png'] = await picture().png().toBuffer();
  files['clear.png'] = await picture()
    .joinChannel(ramp(), { raw: { width: WIDTH, height: HEIGHT, channels: 1 } })
    .png()
    .toBuffer();
  page = await openDecodePage(site, files);
});

type Decoding = Pick<typeof import('../src/decode-image.js'), 'decodeImage'> &
  Pick<typeof import('../../core/src/image/preprocess-parts.js'), 'preprocessParts'>;
declare const decoding: Decoding;

interface Resized {
  /** [3, size, size], grey levels */
  levels: number[];
  /** Decoded by ImageDecoder. */
  frames: number;
  /** Canvases that it took. */
  canvases: number;
}

/** In the page, brought to a square of `size` by core's own resize. */
async function inPage(name: string, size: number, fast = false): Promise<Resized> {
  return page.evaluate(
    async ({ name, size, fast, options, config }) => {
      const blob = await (await fetch(`/files/${name}`)).blob();
      let frames = 0;
      let canvases = 0;
      const { getContext } = OffscreenCanvas.prototype;
      OffscreenCanvas.prototype.getContext = function (this: OffscreenCanvas, ...args: unknown[]) {
        canvases++;
        return Reflect.apply(getContext, this, args);
      } as typeof getContext;
      const proto = (globalThis as unknown as { ImageDecoder: { prototype: { decode(): Promise<unknown> } } })
        .ImageDecoder.prototype;
      const { decode } = proto;
      proto.decode = function (this: unknown) {
        frames++;
        return decode.call(this);
      };
      try {
        const target = new Float32Array(3 * size * size);
        const reader = await decoding.decodeImage(
          { kind: 'blob', blob },
          { ...options, fast, scaledSize: () => ({ width: size, height: size }) },
        );
        await decoding.preprocessParts(reader, { ...config, size }, target);
        reader.close?.();
        return { levels: Array.from(target, (value) => value * 255), frames, canvases };
      } finally {
        proto.decode = decode;
        OffscreenCanvas.prototype.getContext = getContext;
      }
    },
    { name, size, fast, options: OPTIONS, config: CONFIG },
  );
}

async function inNode(name: string, size: number): Promise<Float32Array> {
  const target = new Float32Array(3 * size * size);
  const reader = await decodeInNode({ kind: 'bytes', bytes: files[name]! }, OPTIONS);
  await preprocessParts(reader, { ...CONFIG, size }, target);
  return target.map((value) => value * 255);
}

for (const orientation of ORIENTATIONS) {
  test(`a JPEG of EXIF orientation ${orientation}: whole, shrunk by ImageDecoder, and scaled while it is decoded`, async () => {
    const name = `${orientation}.jpg`;
    for (const [size, fast, frames, tolerance] of [
      [128, false, 0, JPEG_TOLERANCE],
      [64, false, 1, JPEG_TOLERANCE],
      [64, true, 1, FAST_TOLERANCE],
    ] as const) {
      const shown = await inPage(name, size, fast);
      expect(shown.frames, `ImageDecoder at ${size}`).toBe(frames);
      expect(largestDifference(shown.levels, await inNode(name, size)), `${size}, fast: ${fast}`).toBeLessThan(
        tolerance,
      );
    }
  });
}

test('only what is turned or not opaque takes a canvas, many times slower', async () => {
  const canvases: Record<string, number> = {};
  for (const name of ['1.jpg', 'full-colour.jpg', 'grey.jpg', 'opaque.png', '6.jpg', 'clear.png']) {
    canvases[name] = (await inPage(name, 64)).canvases;
  }
  const none = { '1.jpg': 0, 'full-colour.jpg': 0, 'grey.jpg': 0, 'opaque.png': 0 };
  expect(canvases).toEqual({ ...none, '6.jpg': 1, 'clear.png': 1 });
  expect((await inPage('1.jpg', 128)).canvases).toBe(0);
});

test('other JPEG files through ImageDecoder', async () => {
  for (const name of ['full-colour.jpg', 'grey.jpg', 'progressive.jpg']) {
    const { levels, frames } = await inPage(name, 64);
    expect(frames, name).toBe(1);
    expect(largestDifference(levels, await inNode(name, 64)), name).toBeLessThan(JPEG_TOLERANCE);
  }
});

test('PNG files give the bytes of Node, and half-clear ones nearly, composited on white', async () => {
  expect(largestDifference((await inPage('opaque.png', 64)).levels, await inNode('opaque.png', 64))).toBe(0);
  expect(largestDifference((await inPage('clear.png', 64)).levels, await inNode('clear.png', 64))).toBeLessThan(2);
});

test('orientations differ from each other by far more than decoders do', async () => {
  const upright = await inNode('1.jpg', 64);
  for (const orientation of ORIENTATIONS.slice(1)) {
    expect(largestDifference(upright, await inNode(`${orientation}.jpg`, 64))).toBeGreaterThan(100);
  }
});

test('parts at odd places are those of the whole, also of pictures that store colours for 2 x 2 pixels', async () => {
  const parts = [
    { x: 0, y: 0, width: 1, height: 1 },
    { x: 37, y: 21, width: 101, height: 83 },
    { x: 1, y: 1, width: WIDTH - 1, height: 3 },
    { x: 200, y: HEIGHT - 5, width: WIDTH - 200, height: 5 },
  ];
  for (const name of ['opaque.png', 'clear.png', '1.jpg', '6.jpg']) {
    const wrong = await page.evaluate(
      async ({ name, parts, options }) => {
        const blob = await (await fetch(`/files/${name}`)).blob();
        // so small that JPEG files go through ImageDecoder
        const scaledSize = () => ({ width: 8, height: 8 });
        const reader = await decoding.decodeImage({ kind: 'blob', blob }, { ...options, fast: false, scaledSize });
        const { width, height, channels } = reader;
        const at = (part: Awaited<ReturnType<typeof reader.read>>, x: number, y: number) => {
          const from = ((y - part.y) * part.width + (x - part.x)) * part.channels;
          return part.data.subarray(from, from + 3).join();
        };
        const whole = await reader.read({ x: 0, y: 0, width, height });
        const kept = { ...whole, data: whole.data.slice() };
        const wrong: string[] = channels === 3 || channels === 4 ? [] : [`${channels} channels`];
        for (const region of parts) {
          const turned =
            width === options.width ? region : { x: region.y, y: region.x, width: region.height, height: region.width };
          const part = await reader.read(turned);
          for (let y = turned.y; y < turned.y + turned.height; y++) {
            for (let x = turned.x; x < turned.x + turned.width; x++) {
              if (at(part, x, y) !== at(kept, x, y) && wrong.length < 5)
                wrong.push(`${x},${y}: ${at(part, x, y)} for ${at(kept, x, y)}`);
            }
          }
        }
        reader.close?.();
        return wrong;
      },
      { name, parts, options: { ...OPTIONS, width: WIDTH } },
    );
    expect(wrong, name).toEqual([]);
  }
});

test("a caller's frame of opaque pixels is read as it is", async () => {
  const pixels = await page.evaluate(async (options) => {
    const data = Uint8Array.from({ length: 8 * 8 * 4 }, (_, index) => [200, 100, 50, 255][index % 4]!);
    const image = new VideoFrame(data, { format: 'RGBX', codedWidth: 8, codedHeight: 8, timestamp: 0 });
    const reader = await decoding.decodeImage({ kind: 'native', image }, options);
    const part = await reader.read({ x: 0, y: 0, width: 8, height: 8 });
    const read = Array.from(part.data.subarray(0, 8 * 8 * part.channels)).filter((_, i) => i % part.channels < 3);
    reader.close?.();
    image.close();
    return read;
  }, OPTIONS);
  expect(pixels).toEqual(Array.from({ length: 64 * 3 }, (_, index) => [200, 100, 50][index % 3]));
});

/** Smooth, and nowhere the same: mirrored, turned, shifted or with channels exchanged it is another picture. */
function picture() {
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const at = (y * WIDTH + x) * 3;
      data[at] = (255 * x) / WIDTH;
      data[at + 1] = (255 * y) / HEIGHT;
      data[at + 2] = 128 + 100 * Math.sin(x / 40) * Math.cos(y / 23);
    }
  }
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

/** Opacity, from nearly none to all. */
function ramp(): Buffer {
  return Buffer.from(Uint8Array.from({ length: WIDTH * HEIGHT }, (_, index) => 20 + (235 * (index % WIDTH)) / WIDTH));
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return Math.round(largest * 1000) / 1000;
}
