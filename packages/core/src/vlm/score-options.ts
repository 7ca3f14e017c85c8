/** How likely each of several answers is, from one shared prompt: the sum of its tokens' log-probabilities and its end's. */
import { invalid } from '../errors.js';
import { type LanguageModel, logitsAfter, prefill } from './generation.js';
import type { KvCache } from './kv-cache.js';

/**
 * @param options ids of each answer, the end of the answer included
 * @returns natural logarithms, in the order of `options`
 * @throws {MclipError} `INVALID_ARGUMENT` for an option that the context has no room for
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
    const room = model.contextLength - first.cache.length;
    const longest = Math.max(...options.map(({ length }) => length));
    if (longest > room) {
      throw invalid(
        `An option has ${longest} tokens, and the model takes ${room} after this question; shorten one of them.`,
      );
    }
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
