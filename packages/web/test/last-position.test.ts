/** Decoders with the logits of all positions, in Chromium: onnxruntime is given one that computes the last, same tokens. */
import { readdirSync, readFileSync } from 'node:fs';
import type { InferenceSession } from 'onnxruntime-common';
import { expect, test } from 'vitest';
import { withAllPositions } from '../../../test/support/all-positions.js';
import { entryOf } from '../../../test/support/split-model.js';
import { SOFTWARE_GPU, TestSite } from './support/test-site.js';
import { TINY, tinyCase } from './support/tiny-case.js';

const { base64, width, height, view, answer } = tinyCase;

const files: Record<string, Buffer> = Object.fromEntries(
  readdirSync(TINY).map((name) => [`/all/${name}`, readFileSync(`${TINY}/${name}`)]),
);
const manifest = JSON.parse(files['/all/mclip.json']!.toString());
delete manifest.decoder.logits;
for (const [dtype, { file }] of Object.entries<{ file: string }>(manifest.graphs.decoder.files)) {
  const bytes = await withAllPositions(files[`/all/${file}`]!);
  files[`/all/${file}`] = bytes;
  manifest.graphs.decoder.files[dtype] = entryOf(file, bytes);
}
files['/all/mclip.json'] = Buffer.from(JSON.stringify(manifest));
const site = new TestSite({ args: SOFTWARE_GPU, files });

type Factory = { create(...args: unknown[]): Promise<InferenceSession> };

/** The tokens of an answer, and how many positions the decoder that onnxruntime was given has logits of. */
async function caption(device: 'wasm' | 'webgpu', decoder: 'fp32' | 'q4f16', maxNewTokens: number) {
  await using page = await site.open();
  const content = `import { InferenceSession } from 'onnxruntime-web/${device}'; Object.assign(window, { InferenceSession });`;
  await page.addScriptTag({ type: 'module', content });
  await page.waitForFunction('window.InferenceSession');
  return await page.evaluate(
    async ({ device, decoder, base64, width, height, options }) => {
      const { InferenceSession: factory } = window as unknown as { InferenceSession: Factory };
      const create = factory.create.bind(factory);
      const positions: (number | string)[] = [];
      factory.create = async (...args) => {
        const session = await create(...args);
        const logits = session.outputMetadata.find(({ name }) => name === 'logits');
        if (logits?.isTensor) positions.push(logits.shape[1]!);
        return session;
      };
      const dtype = { vision: 'fp32', decoder } as const;
      const captioner = await mclip.createCaptioner({ model: '/all/', worker: false, device, dtype });
      const data = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const { tokens } = await captioner.generate({ data, width, height, channels: 3 }, options);
      await captioner.dispose();
      return { tokens, positions };
    },
    { device, decoder, base64, width, height, options: { ...view, maxNewTokens } },
  );
}
test('wasm', async () => {
  expect(await caption('wasm', 'fp32', 32)).toEqual({ tokens: answer, positions: [1] });
});

test('wasm, in half precision, which is computed in single', async () => {
  const { tokens, positions } = await caption('wasm', 'q4f16', 32);
  expect(tokens.length).toBeGreaterThan(4);
  expect(positions).toEqual([1]);
});

test('webgpu', async () => {
  expect(await caption('webgpu', 'fp32', 2)).toEqual({ tokens: answer.slice(0, 2), positions: [1] });
}, 180_000);
