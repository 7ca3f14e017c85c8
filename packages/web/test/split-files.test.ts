/** Graphs with their weights in a file beside them, in Chromium: given to onnxruntime together. */
import { expect, test } from 'vitest';
import { NANO_FOLDER } from '../../../test/support/hub.js';
import { splitModel } from '../../../test/support/split-model.js';
import type { Files } from './support/server.js';
import { TestSite } from './support/test-site.js';
import { TINY, tinyCase } from './support/tiny-case.js';

const { base64, width, height, view, answer: expected } = tinyCase;

async function below(folder: string, files: Promise<Map<string, Buffer>>): Promise<Files> {
  return Object.fromEntries([...(await files)].map(([name, bytes]) => [`/${folder}/${name}`, bytes]));
}

/** Its manifest does not name the decoder's further file. */
async function unlisted(): Promise<Map<string, Buffer>> {
  const files = await splitModel(TINY, 'fp32');
  const manifest = JSON.parse(files.get('mclip.json')!.toString());
  delete manifest.graphs.decoder.files.fp32.data;
  return new Map(files).set('mclip.json', Buffer.from(JSON.stringify(manifest)));
}

const site = new TestSite({
  files: {
    ...(await below('captions', splitModel(TINY, 'fp32'))),
    ...(await below('half', splitModel(TINY, 'q4f16'))),
    ...(await below('classes', splitModel(NANO_FOLDER, 'w8'))),
    ...(await below('unlisted', unlisted())),
  },
});

async function caption(model: string, worker: boolean, decoder: 'fp32' | 'q4f16') {
  await using page = await site.open();
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
    { model, worker, decoder, base64, width, height, view: { ...view, maxNewTokens: 32 } },
  );
}

test.each([true, false])('a captioner, worker: %s', async (worker) => {
  expect(await caption('/captions/', worker, 'fp32')).toEqual({ tokens: expected });
  expect(site.plain.log).toContain('/captions/decoder_model_merged.onnx_data');
});

test('a half-precision decoder, which is given to onnxruntime as another graph', async () => {
  const answer = await caption('/half/', true, 'q4f16');
  expect(answer.tokens!.length).toBeGreaterThan(4);
  expect(answer).toEqual(await caption('/packages/node/test/fixtures/tiny-vlm/', true, 'q4f16'));
  expect(site.plain.log).toContain('/half/decoder_model_merged_q4f16.onnx_data');
});

test('weights that the manifest does not list', async () => {
  const answer = await caption('/unlisted/', true, 'fp32');
  expect(answer).toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringMatching(/external data.*as its `data`/s),
  });
});

test('a classifier', async () => {
  await using page = await site.open();
  const label = await page.evaluate(async () => {
    const classifier = await mclip.createClassifier(['strawberry', 'dog'], { model: '/classes/' });
    return (await classifier.classify('/examples/node-classify/images/strawberry.png'))[0]!.label;
  });
  expect(label).toBe('strawberry');
  expect(site.plain.log).toContain('/classes/vision.w8.onnx_data');
});
