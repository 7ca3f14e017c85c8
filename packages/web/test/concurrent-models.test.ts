/** Several models on one thread share one onnxruntime, whose WebGPU build does one thing at a time. */
import { createEmbedder } from '@mclip/node';
import { beforeAll, expect, test } from 'vitest';
import { IMAGE_FOLDER, NANO_FOLDER } from './support/paths.js';
import { SOFTWARE_GPU, TestSite } from './support/test-site.js';

const PICTURES = ['cat', 'pizza'];

const site = new TestSite({ args: SOFTWARE_GPU });
let expected: Float32Array[];

beforeAll(async () => {
  await using embedder = await createEmbedder({ model: NANO_FOLDER });
  expected = await embedder.encodeImages(PICTURES.map((name) => `${IMAGE_FOLDER}/${name}.png`));
});

for (const device of ['wasm', 'webgpu'] as const) {
  test(`${device}, worker: false: two models compute, a third loads and one is disposed of, all at once`, async () => {
    await using page = await site.open();
    // calls under way at once, counted inside of onnxruntime
    await page.addScriptTag({
      type: 'module',
      content: `
        import { InferenceSession } from 'onnxruntime-web/${device}';
        globalThis.calls = { now: 0, most: 0, all: 0 };
        for (const [owner, name] of [[InferenceSession, 'create'], [InferenceSession.prototype, 'run'], [InferenceSession.prototype, 'release']]) {
          const call = owner[name];
          owner[name] = async function (...args) {
            calls.all++;
            calls.most = Math.max(calls.most, ++calls.now);
            try {
              return await call.apply(this, args);
            } finally {
              calls.now--;
            }
          };
        }`,
    });
    const { calls, embeddings } = await page.evaluate(
      async ({ device, pictures }) => {
        const [cat, pizza] = pictures.map((name) => `/examples/node-classify/images/${name}.png`);
        // of settings of their own: equal ones would share one model
        let maxPixels = 1e6;
        const newModel = () => mclip.createEmbedder({ model: MODEL, device, worker: false, maxPixels: maxPixels++ });
        const [first, second] = await Promise.all([newModel(), newModel()]);
        const [catOfFirst, pizzaOfSecond, third] = await Promise.all([
          first.encodeImage(cat!),
          second.encodeImage(pizza!),
          newModel(),
        ]);
        const [catOfSecond, pizzaOfThird] = await Promise.all([
          second.encodeImage(cat!),
          third.encodeImage(pizza!),
          first.dispose(),
        ]);
        await Promise.all([second.dispose(), third.dispose()]);
        return {
          embeddings: [catOfFirst, pizzaOfSecond, catOfSecond, pizzaOfThird].map((embedding) => [...embedding]),
          calls: (globalThis as unknown as { calls: { most: number; all: number } }).calls,
        };
      },
      { device, pictures: PICTURES },
    );
    expect(calls.all).toBeGreaterThanOrEqual(10);
    expect(calls.most).toBe(1);
    embeddings.forEach((embedding, i) => {
      const wanted = expected[i % 2]!;
      expect(Math.max(...embedding.map((value, at) => Math.abs(value - wanted[at]!)))).toBeLessThan(1e-3);
    });
  }, 300_000);
}
