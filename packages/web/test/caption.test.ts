/** Captions in Chromium: the tokens of transformers on a tiny FastVLM, in every combination. */
import { readFileSync } from 'node:fs';
import type { CaptionerOptions } from '@mclip/web';
import { expect, test } from 'vitest';
import { type Kind, picture } from '../../core/test/image/picture.js';
import { SOFTWARE_GPU, TestSite } from './support/test-site.js';

interface Reference {
  stopIds: number[];
  pictures: { kind: Kind; seed: number; width: number; height: number }[];
  cases: { picture: number; fit: 'pad' | 'crop'; size: number; question: string; answer: number[]; text: string }[];
}

const MODEL = '/packages/node/test/fixtures/tiny-vlm/';
const { pictures, cases, stopIds }: Reference = JSON.parse(
  readFileSync(new URL('../../node/test/fixtures/tiny-vlm-reference.json', import.meta.url), 'utf8'),
);

/** Small pictures, since their bytes go to the page as text. The last case is a later turn of a conversation. */
const QUESTIONS = cases.slice(0, -1).filter(({ picture: index }) => index >= 3);
const asked = QUESTIONS.map(({ picture: index, fit, size, question }) => {
  const { kind, width, height, seed } = pictures[index]!;
  const base64 = Buffer.from(picture(kind, width, height, seed).data).toString('base64');
  return { base64, width, height, options: { prompt: question, fit, resolution: size } };
});
const expected = QUESTIONS.map(({ answer }) => answer.filter((id) => !stopIds.includes(id)));

const site = new TestSite({ args: SOFTWARE_GPU });

async function captionInBrowser(
  isolated: boolean,
  options: {
    worker: boolean;
    device?: 'wasm' | 'webgpu';
    memory?: 'low' | 'high';
    dtype?: NonNullable<CaptionerOptions['dtype']>;
  },
  count = asked.length,
  maxNewTokens = 32,
) {
  await using page = await site.open({ isolated });
  return await page.evaluate(
    async ({ asked, options, MODEL, maxNewTokens }) => {
      const captioner = await mclip.createCaptioner({ model: MODEL, dtype: 'fp32', ...options });
      const answers: number[][] = [];
      let streamed = '';
      let text = '';
      for (const { base64, width, height, options: view } of asked) {
        const options = { ...view, maxNewTokens };
        const data = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
        const image = await captioner.encodeImage({ data, width, height, channels: 3 }, options);
        const answer = await captioner.generate(image, options);
        answers.push(answer.tokens);
        text += answer.text;
        for await (const delta of captioner.stream(image, options)) streamed += delta;
        await image.dispose();
      }
      const { device } = captioner;
      await captioner.dispose();
      return { answers, text, streamed, device };
    },
    { asked: asked.slice(0, count), options, MODEL, maxNewTokens },
  );
}

test.each([
  [false, true],
  [false, false],
  [true, true],
  [true, false],
])('wasm, isolated: %s, worker: %s', async (isIsolated, worker) => {
  const { answers, text, streamed, device } = await captionInBrowser(isIsolated, { worker });
  expect(answers).toEqual(expected);
  expect(streamed).toBe(text);
  expect(device.name).toBe('wasm');
});

test('wasm, the vision encoder kept', async () => {
  const { answers } = await captionInBrowser(false, { worker: true, memory: 'high' }, 3);
  expect(answers).toEqual(expected.slice(0, 3));
});

test.each(['wasm', 'webgpu'] as const)(
  '%s, a vision encoder with 8-bit products',
  async (device) => {
    const dtype = { vision: 'q8', decoder: 'fp32' } as const;
    // later tokens of a random network follow roundings
    const [count, tokens] = device === 'wasm' ? [asked.length, 3] : [1, 2];
    const { answers } = await captionInBrowser(false, { worker: true, device, dtype }, count, tokens);
    expect(answers).toEqual(expected.slice(0, count).map((answer) => answer.slice(0, tokens)));
  },
  180_000,
);

test.each([true, false])(
  'webgpu, the cache stays on the GPU, worker: %s',
  async (worker) => {
    // a GPU emulated on the CPU takes a long while for a token
    const { answers, text, streamed, device } = await captionInBrowser(false, { worker, device: 'webgpu' }, 1, 6);
    expect(answers).toEqual([expected[0]!.slice(0, 6)]);
    expect(streamed).toBe(text);
    expect(device.name).toBe('webgpu');
  },
  180_000,
);
