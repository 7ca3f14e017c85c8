/** How likely each of several answers is, from one shared prompt: the sum of its tokens' log-probabilities and its end's. */
import type { KvCache } from './decoder.js';
import { type LanguageModel, prefill } from './generation.js';

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
  const first = await prefill(model, prompt, start, signal);
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
  let step = first;
  try {
    for (let i = 1; i < ids.length; i++) {
      const next = await prefill(model, [ids[i - 1]!], step.cache, signal);
      if (step !== first) step.cache.dispose();
      step = next;
      sum += logProbability(step.logits, ids[i]!, vocabSize);
    }
    return sum;
  } finally {
    if (step !== first) step.cache.dispose();
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
