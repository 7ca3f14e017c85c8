/**
 * MobileCLIP2-S0 at its real size in Chromium, on wasm in the worker, from encoded files, against PyTorch. The
 * network tells its inputs apart and typical mistakes are far outside the bound: embeddings.test.ts.
 */
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium, openPage } from '../../../packages/web/test/support/browser.js';
import { startServer, type TestServer } from '../../../packages/web/test/support/server.js';

interface Reference {
  bound: number;
  images: { name: string; file: string; embedding: string }[];
  texts: { text: string; embedding: string }[];
  mutations: { kind: string; of: string; maxAbsDiff: number; embedding: string }[];
  w8: { images: Record<string, string> };
}

const FOLDER = '/tools/real/models/mobileclip2-s0/';
const reference: Reference = JSON.parse(
  readFileSync(new URL('../models/mobileclip2-s0/reference.json', import.meta.url), 'utf8'),
);
const urls = reference.images.map(({ file }) => new URL(file, `http://localhost${FOLDER}`).pathname);

let browser: Browser;
let server: TestServer;
let page: Page;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), startServer({ isolated: true })]);
  page = await openPage(browser, server.origin);
});

afterAll(() => Promise.all([browser?.close(), server?.close()]));

/** [images, dim] */
function imageEmbeddings(dtype: 'fp32' | 'w8', images: string[]): Promise<number[][]> {
  return page.evaluate(
    async ({ model, dtype, images }) => {
      // weights of chance, rounded, answer otherwise than the canary of the unrounded ones says: without it
      const { canary: _, ...manifest } = await (await fetch(`${model}mclip.json`)).json();
      const unchecked = { manifest, fileUrl: (file: string) => new URL(model + file, location.href) };
      const embedder = await mclip.createEmbedder({ model: dtype === 'w8' ? unchecked : model, dtype });
      const embeddings = await embedder.encodeImages(images);
      await embedder.dispose();
      return embeddings.map((embedding) => [...embedding]);
    },
    { model: FOLDER, dtype, images },
  );
}

function vector(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64');
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function distance(a: number[], base64: string): number {
  const b = vector(base64);
  return Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
}

for (const dtype of ['fp32', 'w8'] as const) {
  test(`image embeddings equal PyTorch, ${dtype}`, async () => {
    const embeddings = await imageEmbeddings(dtype, urls);
    const distances = reference.images.map(({ name, embedding }, i) =>
      distance(embeddings[i]!, dtype === 'fp32' ? embedding : reference.w8.images[name]!),
    );
    console.log(
      `${dtype} in Chromium: ${distances.length} images, max |difference| ${Math.max(...distances).toExponential(1)}`,
    );
    for (const [i, value] of distances.entries()) expect(value, urls[i]).toBeLessThan(reference.bound);
    for (const { kind, of, maxAbsDiff, embedding } of reference.mutations) {
      const image = reference.images.findIndex(({ name }) => name === of);
      if (image < 0 || maxAbsDiff < 30 * reference.bound) continue; // of a text, or not felt by this picture
      expect(distance(embeddings[image]!, embedding), `${kind} ${of}`).toBeGreaterThan(10 * reference.bound);
    }
  });
}

test('text embeddings equal PyTorch', async () => {
  const texts = reference.texts.map(({ text }) => text);
  const embeddings = await page.evaluate(
    async ({ model, texts }) => {
      const embedder = await mclip.createEmbedder({ model, dtype: 'fp32' });
      const embeddings = await embedder.encodeTexts(texts);
      await embedder.dispose();
      return embeddings.map((embedding) => [...embedding]);
    },
    { model: FOLDER, texts },
  );
  const distances = reference.texts.map(({ embedding }, i) => distance(embeddings[i]!, embedding));
  console.log(`${texts.length} texts in Chromium, max |difference| ${Math.max(...distances).toExponential(1)}`);
  for (const [i, value] of distances.entries()) expect(value, texts[i]).toBeLessThan(reference.bound);
});
