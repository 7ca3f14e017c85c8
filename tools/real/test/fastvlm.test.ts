/**
 * FastVLM-0.5B at its real size (random weights that tell pictures apart): greedy answers of the public API against
 * transformers' `generate` on the same weights. Made by tools/export and tools/goldens/fastvlm.py.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Captioner, createCaptioner } from '@mclip/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Kind, picture } from '../../../packages/core/test/image/picture.js';

interface Reference {
  stopIds: number[];
  pictures: { kind: Kind; seed: number; width: number; height: number }[];
  cases: { picture: number; fit: 'pad' | 'crop'; size: number; question: string; after?: string; answer: number[] }[];
}

const model = fileURLToPath(new URL('../models/fastvlm-0.5b', import.meta.url));
const referenceFile = new URL('../models/fastvlm-0.5b/reference.json', import.meta.url);
const isMade = existsSync(referenceFile);
if (!isMade)
  console.log(
    `FastVLM-0.5B is not tested: there is no ${fileURLToPath(referenceFile)} (npm run bench:models -- --reference)`,
  );
const reference: Reference = isMade
  ? JSON.parse(readFileSync(referenceFile, 'utf8'))
  : { stopIds: [], pictures: [], cases: [] };
const cases = reference.cases.map((one) => ({
  ...one,
  answer: one.answer.filter((id) => !reference.stopIds.includes(id)),
}));
const image = (index: number) => {
  const { kind, width, height, seed } = reference.pictures[index]!;
  return { ...picture(kind, width, height, seed), channels: 3 as const };
};

let captioner: Captioner;
beforeAll(async () => {
  if (isMade) captioner = await createCaptioner({ model, dtype: 'fp32' });
});
afterAll(() => captioner?.dispose());

test.runIf(isMade)('greedy answers are the tokens of transformers, different for different pictures', async () => {
  const first = cases.filter(({ after }) => after === undefined);
  const answers = new Set<string>();
  for (const { picture: index, fit, size, question, answer } of first) {
    const maxNewTokens = answer.length;
    const result = await captioner.generate(image(index), { prompt: question, fit, resolution: size, maxNewTokens });
    console.log(
      `picture ${index}, ${fit} ${size}: ${result.timings.timeToFirstTokenMs.toFixed(0)} ms to the first token`,
    );
    expect(result.tokens).toEqual(answer);
    answers.add(answer.join());
  }
  expect(answers.size).toBe(first.length);
});

test.runIf(isMade)('with an encoded image, and in a later turn, too', async () => {
  const { picture: index, fit, size, question, answer } = cases[0]!;
  const encoded = await captioner.encodeImage(image(index), { fit, resolution: size });
  for (let round = 0; round < 2; round++) {
    const result = await captioner.generate(encoded, { prompt: question, maxNewTokens: answer.length });
    expect(result.tokens).toEqual(answer);
  }
  await encoded.dispose();
  for (const later of cases.filter(({ after }) => after !== undefined)) {
    const turn = cases.find(
      (one) => one.picture === later.picture && one.question === later.after && one.fit === later.fit,
    )!;
    const chat = captioner.chat(image(later.picture), { fit: later.fit, resolution: later.size });
    await chat.ask(turn.question, { maxNewTokens: turn.answer.length });
    const result = await chat.generate(later.question, { maxNewTokens: later.answer.length });
    expect(result.tokens).toEqual(later.answer);
    await chat.dispose();
  }
});
