/**
 * MobileCLIP2-S0's vision tower in half precision, as a public converter writes it, against PyTorch in single precision:
 * what half precision takes off the weights is all that differs, in Node.js and in Chromium.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createEmbedder } from '@mclip/node';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium, openPage } from '../../../packages/web/test/support/browser.js';
import { startServer, type TestServer } from '../../../packages/web/test/support/server.js';

const BOUND = 1e-3;
const models = fileURLToPath(new URL('../models/', import.meta.url));
const half = '../half/s0-vision.onnxruntime.onnx';
const reference: { images: { name: string; file: string; embedding: string }[] } = JSON.parse(
  readFileSync(join(models, 'mobileclip2-s0/reference.json'), 'utf8'),
);

/** S0 as if that were its only vision file. The canary is of the weights as they were. */
function manifestOf() {
  const manifest = JSON.parse(readFileSync(join(models, 'mobileclip2-s0/mclip.json'), 'utf8'));
  manifest.graphs.vision.files = { fp16: { file: 'half.onnx' } };
  return manifest;
}

function distance(a: ArrayLike<number>, base64: string): number {
  const bytes = Buffer.from(base64, 'base64');
  const b = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return b.reduce((most, value, index) => Math.max(most, Math.abs(value - a[index]!)), 0);
}

let browser: Browser;
let server: TestServer;
beforeAll(async () => {
  const python = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
  const script = fileURLToPath(new URL('../../half/make_files.py', import.meta.url));
  const made = spawnSync(python, [script, '--only', 'onnxruntime'], { encoding: 'utf8' });
  expect(made.status, made.stderr).toBe(0);
  [browser, server] = await Promise.all([launchChromium(), startServer({ isolated: true })]);
});
afterAll(() => Promise.all([browser?.close(), server?.close()]));

test('Node.js', async () => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'mclip-half-'));
  const model = {
    manifest: manifestOf(),
    fileUrl: (file: string) => pathToFileURL(join(models, 'mobileclip2-s0', file === 'half.onnx' ? half : file)),
  };
  const embedder = await createEmbedder({ model, cacheDir });
  expect(embedder.device).toMatchObject({ dtype: 'fp16', reason: expect.stringContaining('fp16 computed as fp32') });
  let largest = 0;
  for (const { name, file, embedding } of reference.images) {
    const difference = distance(await embedder.encodeImage(join(models, 'mobileclip2-s0', file)), embedding);
    largest = Math.max(largest, difference);
    expect(difference, name).toBeLessThan(BOUND);
  }
  console.log(`fp16: ${reference.images.length} images, max |difference| to PyTorch ${largest.toExponential(1)}`);
  await embedder.dispose();
  await rm(cacheDir, { recursive: true });
});

test('Chromium', async () => {
  const page = await openPage(browser, server.origin);
  const images = reference.images.slice(0, 4);
  const { embeddings, reason } = await page.evaluate(
    async ({ manifest, files, half }) => {
      const base = new URL('/tools/real/models/mobileclip2-s0/', location.href);
      const fileUrl = (file: string) => new URL(file === 'half.onnx' ? half : file, base);
      const embedder = await mclip.createEmbedder({ model: { manifest, fileUrl } });
      const embeddings = await embedder.encodeImages(files.map((file) => new URL(file, base).href));
      const { reason } = embedder.device;
      await embedder.dispose();
      return { embeddings: embeddings.map((embedding) => [...embedding]), reason };
    },
    { manifest: manifestOf(), files: images.map(({ file }) => file), half },
  );
  expect(reason).toContain('fp16 computed as fp32');
  const differences = embeddings.map((embedding, index) => distance(embedding, images[index]!.embedding));
  console.log(`fp16 in wasm: max |difference| to PyTorch ${Math.max(...differences).toExponential(1)}`);
  expect(Math.max(...differences)).toBeLessThan(BOUND);
});
