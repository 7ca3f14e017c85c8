/** Graphs with their weights in a file beside them, in Chromium: given to onnxruntime together. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NANO_FOLDER } from '../../../test/support/hub.js';
import { splitModel } from '../../../test/support/split-model.js';
import { picture } from '../../core/test/image/picture.js';
import { launchChromium, openPage } from './support/browser.js';
import { startServer, type TestServer } from './support/server.js';

const TINY = fileURLToPath(new URL('../../node/test/fixtures/tiny-vlm', import.meta.url));
const { pictures, cases, stopIds } = JSON.parse(readFileSync(`${TINY}-reference.json`, 'utf8'));
/** One of a small picture, since its bytes go to the page as text. */
const one = cases.find(({ picture: index }: { picture: number }) => index >= 3);
const { kind, width, height, seed } = pictures[one.picture];
const base64 = Buffer.from(picture(kind, width, height, seed).data).toString('base64');
const { question: prompt, fit, size: resolution } = one;

let browser: Browser;
let server: TestServer;
const served = new Map<string, Buffer>();

async function serve(folder: string, files: Map<string, Buffer>) {
  for (const [name, bytes] of files) served.set(`/${folder}/${name}`, bytes);
}

beforeAll(async () => {
  const whole = await splitModel(TINY, 'fp32');
  const half = await splitModel(TINY, 'q4f16');
  await serve('captions', whole);
  await serve('half', half);
  await serve('classes', await splitModel(NANO_FOLDER, 'w8'));
  const manifest = JSON.parse(whole.get('mclip.json')!.toString());
  delete manifest.graphs.decoder.files.fp32.data;
  await serve('unlisted', new Map(whole).set('mclip.json', Buffer.from(JSON.stringify(manifest))));
  const routes = Object.fromEntries(
    [...served].map(([path, bytes]) => [
      path,
      (_: unknown, response: { end(body: Buffer): void }) => response.end(bytes),
    ]),
  );
  [browser, server] = await Promise.all([launchChromium(), startServer({ routes })]);
});
afterAll(() => Promise.all([browser?.close(), server?.close()]));

async function caption(model: string, worker: boolean, decoder: 'fp32' | 'q4f16') {
  const page = await openPage(browser, server.origin);
  try {
    return await page.evaluate(
      async ({ model, worker, decoder, base64, width, height, view }) => {
        try {
          const captioner = await mclip.createCaptioner({ model, worker, dtype: { decoder, vision: 'fp32' } });
          const data = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
          const { tokens } = await captioner.generate({ data, width, height, channels: 3 }, view);
          await captioner.dispose();
          return { tokens };
        } catch (error) {
          const { code, message } = error as { code: string; message: string };
          return { code, message };
        }
      },
      { model, worker, decoder, base64, width, height, view: { prompt, fit, resolution, maxNewTokens: 32 } },
    );
  } finally {
    await page.close();
  }
}

test.each([true, false])('a captioner, worker: %s', async (worker) => {
  const expected = one.answer.filter((id: number) => !stopIds.includes(id));
  expect(await caption('/captions/', worker, 'fp32')).toEqual({ tokens: expected });
  expect(server.log).toContain('/captions/decoder_model_merged.onnx_data');
});

test('a half-precision decoder, which is given to onnxruntime as another graph', async () => {
  const answer = await caption('/half/', true, 'q4f16');
  expect(answer.tokens!.length).toBeGreaterThan(4);
  expect(answer).toEqual(await caption('/packages/node/test/fixtures/tiny-vlm/', true, 'q4f16'));
  expect(server.log).toContain('/half/decoder_model_merged_q4f16.onnx_data');
});

test('weights that the manifest does not list', async () => {
  const answer = await caption('/unlisted/', true, 'fp32');
  expect(answer).toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringMatching(/external data.*as its `data`/s),
  });
});

test('a classifier', async () => {
  const page = await openPage(browser, server.origin);
  try {
    const label = await page.evaluate(async () => {
      const classifier = await mclip.createClassifier(['strawberry', 'dog'], { model: '/classes/' });
      return (await classifier.classify('/examples/node-classify/images/strawberry.png'))[0]!.label;
    });
    expect(label).toBe('strawberry');
    expect(server.log).toContain('/classes/vision.w8.onnx_data');
  } finally {
    await page.close();
  }
});
