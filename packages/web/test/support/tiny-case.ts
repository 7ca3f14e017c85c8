/** One question about a small picture, whose bytes go to the page as text, and what transformers answers on the tiny FastVLM. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { picture } from '../../../core/test/image/picture.js';

/** Its folder. */
export const TINY = fileURLToPath(new URL('../../../node/test/fixtures/tiny-vlm', import.meta.url));
const { pictures, cases, stopIds } = JSON.parse(readFileSync(`${TINY}-reference.json`, 'utf8'));
const one = cases.find(({ picture: index }: { picture: number }) => index >= 3);
const { kind, width, height, seed } = pictures[one.picture];
const { question: prompt, fit, size: resolution } = one;

export const tinyCase = {
  base64: Buffer.from(picture(kind, width, height, seed).data).toString('base64'),
  width: width as number,
  height: height as number,
  view: { prompt, fit, resolution },
  /** Token ids, without the one that ends the answer. */
  answer: one.answer.filter((id: number) => !stopIds.includes(id)) as number[],
};
