/** The vision encoder with 8-bit products: its features and what is said of them, on the tiny model. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CaptionerOptions, createCaptioner } from '@mclip/node';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { picture } from '../../core/test/image/picture.js';

const file = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const { pictures, cases } = JSON.parse(readFileSync(file('tiny-vlm-reference.json'), 'utf8'));

/** [tokens][64] of a picture that is wider than high: a swap of its sides shows. */
async function features(name: string): Promise<Float32Array[]> {
  const [height, width] = [128, 256];
  const session = await InferenceSession.create(file(`tiny-vlm/${name}`), { logSeverityLevel: 3 });
  const { data } = picture('blocks', width, height, 7);
  const planes = Float32Array.from({ length: 3 * height * width }, (_, i) => {
    const [channel, at] = [Math.floor(i / (height * width)), i % (height * width)];
    return data[3 * at + channel]! / 255;
  });
  const { image_features } = await session.run({ pixel_values: new Tensor(planes, [1, 3, height, width]) });
  await session.release();
  const all = image_features!.data as Float32Array;
  return Array.from({ length: 8 }, (_, token) => all.slice(64 * token, 64 * (token + 1)));
}

const cosine = (a: Float32Array, b: Float32Array) => {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

test('every token of a picture is that of the fp32 file, within 0.999', async () => {
  const exact = await features('vision_encoder.onnx');
  const eight = await features('vision_encoder_quantized.onnx');
  expect(eight.map((token, i) => cosine(token, exact[i]!) > 0.999)).toEqual(Array(8).fill(true));
  expect(cosine(eight[0]!, exact[7]!)).toBeLessThan(0.99); // tokens differ
});

test('answers are those of the fp32 file; it is chosen unasked', async () => {
  const asked = cases.filter((one: { after?: string }) => one.after === undefined);
  const answers = async (dtype: NonNullable<CaptionerOptions['dtype']>) => {
    const captioner = await createCaptioner({ model: file('tiny-vlm'), dtype, worker: false });
    const tokens: number[][] = [];
    for (const { picture: index, fit, size, question } of asked) {
      const { kind, width, height, seed } = pictures[index];
      const image = { ...picture(kind, width, height, seed), channels: 3 as const };
      const options = { prompt: question, fit, resolution: size, maxNewTokens: 32 };
      tokens.push((await captioner.generate(image, options)).tokens);
    }
    await captioner.dispose();
    return tokens;
  };
  const exact = await answers('fp32');
  const eight = await answers({ vision: 'q8', decoder: 'fp32' });
  const same = eight.filter((tokens, i) => tokens.join() === exact[i]!.join()).length;
  expect(same).toBeGreaterThan(asked.length / 2); // others differ where two tokens are about as likely
  expect(eight).not.toEqual(exact);
  expect(await answers({ decoder: 'fp32' })).toEqual(eight);
});
