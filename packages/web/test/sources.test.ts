/** Every kind of image that a browser has gives the same embedding, and stays the caller's. */
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import { IMAGE_FOLDER } from './support/paths.js';
import { TestSite } from './support/test-site.js';

const cat = await readFile(`${IMAGE_FOLDER}/cat.png`);
const opaque = sharp(cat).flatten({ background: '#ffffff' }).resize(300, 200, { fit: 'fill' });
const upright = await opaque.clone().jpeg({ quality: 95 }).toBuffer();
// the same pixels turned left, with the note to turn them right again
const turned = await opaque.clone().rotate(270).jpeg({ quality: 95 }).withMetadata({ orientation: 6 }).toBuffer();
const half = await sharp(cat).resize(64, 64).ensureAlpha(0.5).png().toBuffer();
const files = {
  '/files/upright.jpg': upright,
  '/files/turned.jpg': turned,
  '/files/half.png': half,
  '/files/half-on-white.png': await sharp(half).flatten({ background: '#ffffff' }).png().toBuffer(),
  '/files/cat.webp': await opaque.clone().webp({ lossless: true }).toBuffer(),
  '/files/cat-lossless.png': await opaque.clone().png().toBuffer(),
  '/files/wide.png': await sharp({ create: { width: 9000, height: 20, channels: 3, background: '#c03020' } })
    .png()
    .toBuffer(),
};
const site = new TestSite({ args: ['--autoplay-policy=no-user-gesture-required'], files });
let page: Page;

beforeAll(async () => {
  page = await site.open();
  await page.evaluate(async () => {
    const embedder = await mclip.createEmbedder({ model: MODEL });
    const inline = await mclip.createEmbedder({ model: MODEL, worker: false });
    const fast = await mclip.createEmbedder({ model: MODEL, preprocessing: 'fast' });
    Object.assign(globalThis, { embedder, inline, fast });
  });
});

declare const embedder: import('@mclip/web').Embedder;
declare const inline: import('@mclip/web').Embedder;
declare const fast: import('@mclip/web').Embedder;

test('every source gives the embedding of its pixels, with and without a worker, and is left intact', async () => {
  const result = await page.evaluate(async () => {
    const url = '/files/cat-lossless.png';
    const bytes = await bytesOf(url);
    const blob = new Blob([bytes]);
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    const context = canvas.getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const offscreen = new OffscreenCanvas(width, height);
    offscreen.getContext('2d')!.drawImage(bitmap, 0, 0);
    const imageData = context.getImageData(0, 0, width, height);
    const img = Object.assign(new Image(), { src: url });
    const frame = new VideoFrame(bitmap, { timestamp: 0 });
    const rgb = new Uint8Array(width * height * 3).map((_, i) => imageData.data[Math.floor(i / 3) * 4 + (i % 3)]!);
    let base64 = '';
    for (const byte of bytes) base64 += String.fromCharCode(byte);
    const sources: Record<string, import('@mclip/web').ImageSource> = {
      'relative URL': url.slice(1),
      URL: new URL(url, location.href),
      'data: URL': `data:image/png;base64,${btoa(base64)}`,
      'blob: URL': URL.createObjectURL(blob),
      Blob: blob,
      File: new File([bytes], 'cat.png'),
      Uint8Array: bytes,
      ArrayBuffer: bytes.buffer,
      WebP: '/files/cat.webp',
      ImageData: imageData,
      'raw pixels': { data: rgb, width, height, channels: 3 },
      '<img> not loaded yet': img,
      '<canvas>': canvas,
      OffscreenCanvas: offscreen,
      ImageBitmap: bitmap,
      VideoFrame: frame,
      wrapped: { image: blob, region: { x: 0, y: 0, width, height } },
    };
    const reference = await embedder.encodeImage(blob);
    const distances: Record<string, number> = {};
    for (const [name, source] of Object.entries(sources)) {
      for (const [how, by] of Object.entries({ worker: embedder, inline })) {
        const embedding = await by.encodeImage(source);
        distances[`${name}, ${how}`] = Math.max(...embedding.map((value, i) => Math.abs(value - reference[i]!)));
      }
    }
    const intact = {
      bytes: bytes.byteLength > 0,
      pixels: rgb.byteLength > 0,
      imageData: imageData.data.byteLength > 0,
      bitmap: bitmap.width === width,
      frame: frame.codedWidth > 0,
      offscreen: offscreen.width === width,
    };
    frame.close();
    return { distances, intact };
  });
  for (const [name, distance] of Object.entries(result.distances)) {
    // a frame of pixels goes through the graphics stack
    expect(distance, name).toBeLessThan(name.startsWith('VideoFrame') ? 0.02 : 1e-6);
  }
  expect(Object.keys(result.distances)).toHaveLength(34);
  expect(Object.values(result.intact)).not.toContain(false);
});

test('a playing video is a picture', async () => {
  const similar = await page.evaluate(async () => {
    const bitmap = await createImageBitmap(await (await fetch('/files/cat-lossless.png')).blob());
    const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
    const context = canvas.getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const drawing = setInterval(() => context.drawImage(bitmap, 0, 0), 20);
    const video = Object.assign(document.createElement('video'), { muted: true, srcObject: canvas.captureStream() });
    await video.play();
    const [ours, reference] = await Promise.all([embedder.encodeImage(video), embedder.encodeImage(canvas)]);
    clearInterval(drawing);
    return mclip.similarity(ours, reference);
  });
  expect(similar).toBeGreaterThan(0.98);
});

test('EXIF orientation is applied, and regions count pixels after it', async () => {
  const result = await page.evaluate(async () => {
    const upright = await embedder.encodeImage('/files/upright.jpg');
    const region = { x: 0, y: 0, width: 300, height: 200 };
    return {
      turned: mclip.similarity(upright, await embedder.encodeImage('/files/turned.jpg')),
      fast: mclip.similarity(upright, await fast.encodeImage('/files/turned.jpg')),
      wholeRegion: mclip.similarity(upright, await embedder.encodeImage({ image: '/files/turned.jpg', region })),
      outside: await attempt(() =>
        embedder.encodeImage({ image: '/files/turned.jpg', region: { ...region, height: 300 } }),
      ),
    };
  });
  expect(result.turned).toBeGreaterThan(0.99);
  expect(result.wholeRegion).toBeGreaterThan(0.99);
  expect(result.fast).toBeGreaterThan(0.9);
  expect(result.outside.error).toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('alpha is composited on white', async () => {
  const similar = await page.evaluate(async () =>
    mclip.similarity(
      await embedder.encodeImage('/files/half.png'),
      await embedder.encodeImage('/files/half-on-white.png'),
    ),
  );
  expect(similar).toBeGreaterThan(0.9999);
});

test('a picture wider than a canvas may be is read in tiles', async () => {
  const similar = await page.evaluate(async () => {
    const flat = {
      data: new Uint8Array(64 * 64 * 3).map((_, i) => [0xc0, 0x30, 0x20][i % 3]!),
      width: 64,
      height: 64,
      channels: 3,
    };
    return mclip.similarity(await embedder.encodeImage('/files/wide.png'), await embedder.encodeImage(flat));
  });
  expect(similar).toBeGreaterThan(0.99999);
});
