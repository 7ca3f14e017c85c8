/** How likely each of several answers is, from one shared prompt: the sum of its tokens' log-probabilities and its end's. */
import { type LanguageModel, logitsAfter, prefill } from './generation.js';
import type { KvCache } from './kv-cache.js';

/**
 * @param options ids of each answer, the end of the answer included
 * @returns natural logarithms, in the order of `options`
 */
export async function optionLogProbabilities(
  model: LanguageModel,
  prompt: readonly number[],
  start: KvCache,
  options: readonly (readonly number[])[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const first = await prefill(model, prompt, start, 0, signal);
  try {
    const scores: number[] = [];
    for (const ids of options) scores.push(await answerLogProbability(model, first, ids, signal));
    return scores;
  } finally {
    first.cache.dispose();
  }
}

async function answerLogProbability(
  model: LanguageModel,
  first: { logits: Float32Array; cache: KvCache },
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const { vocabSize } = model.tokenizer;
  let sum = logProbability(first.logits, ids[0]!, vocabSize);
  const cache = first.cache.continuation(ids.length);
  try {
    for (let i = 1; i < ids.length; i++) {
      const logits = await logitsAfter(model, [ids[i - 1]!], cache, signal);
      sum += logProbability(logits, ids[i]!, vocabSize);
    }
    return sum;
  } finally {
    cache.dispose();
  }
}

function logProbability(logits: Float32Array, id: number, vocabSize: number): number {
  const width = Math.min(logits.length, vocabSize);
  let highest = -Infinity;
  for (let i = 0; i < width; i++) if (logits[i] > highest) highest = logits[i];
  let total = 0;
  for (let i = 0; i < width; i++) total += Math.exp(logits[i] - highest);
  return logits[id] - highest - Math.log(total);
}
