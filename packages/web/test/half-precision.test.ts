/** Half-precision model files in wasm: computed in single precision, or as they are where onnxruntime refuses that. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './support/paths.js';
import { TestSite } from './support/test-site.js';

const FOLDER = 'packages/node/test/fixtures/half';
const { feeds, expected } = JSON.parse(readFileSync(join(ROOT, FOLDER, 'golden.json'), 'utf8')).cases[
  'pixels.common-half-io'
];

const site = new TestSite();
test.each([
  ['pixels.common-half-io', /; fp16 computed as fp32$/, 1e-5],
  [
    'taken-name',
    /; fp16 as it is, which is slower: onnxruntime does not take it as fp32 \(.*Duplicate definition/,
    2e-3,
  ],
] as const)('%s.onnx', async (name, reason, most) => {
  await using page = await site.open();
  const plane = 12 * 12;
  const pixels = Array.from({ length: 3 * plane }, (_, i) =>
    Math.round(feeds.pixels.data[(i % 3) * plane + Math.floor(i / 3)] * 255),
  );
  const { embedding, device } = await page.evaluate(
    async ({ folder, name, pixels }) => {
      const file = { file: `${name}.onnx` };
      const manifest = {
        mclip: 1,
        task: 'clip',
        name: 'half',
        dim: 12,
        licence: { id: 'MIT' },
        image: { size: 12, interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] },
        text: {},
        logitScale: 100,
        graphs: { vision: { files: { fp16: file } }, text: { files: { fp16: file } } },
      };
      const fileUrl = (file: string) => new URL(`/${folder}/${file}`, location.href);
      const embedder = await mclip.createEmbedder({ model: { manifest, fileUrl } });
      const data = Uint8Array.from(pixels);
      const embedding = await embedder.encodeImage({ data, width: 12, height: 12, channels: 3 });
      const { device } = embedder;
      await embedder.dispose();
      return { embedding: [...embedding], device };
    },
    { folder: FOLDER, name, pixels },
  );
  expect(device.name).toBe('wasm');
  expect(device.reason).toMatch(reason);
  const right: number[] = expected.embeds.data.slice(0, 12);
  const length = Math.hypot(...right);
  embedding.forEach((value, i) => expect(Math.abs(value - right[i]! / length)).toBeLessThan(most));
});
