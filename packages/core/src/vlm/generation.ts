/**
 * The decode loop, the only one: prompt in, then sample, stop or emit, step. All state of a generation lives here, so
 * that two can run at once and aborting needs no clean-up but freeing its own cache.
 */
import { invalid } from '../errors.js';
import type { Qwen2Tokenizer } from '../text/qwen2-tokenizer.js';
import type { Decoder } from './decoder.js';
import type { EmbeddingRows } from './embedding-rows.js';
import type { KvCache } from './kv-cache.js';
import { Sampler, type SamplingOptions } from './sampler.js';
import { StopStrings } from './stop-strings.js';

export interface GenerationOptions extends SamplingOptions {
  /** Most tokens of the answer. */
  maxNewTokens: number;
  /** Strings that end the answer; they are left out of it. */
  stop: readonly string[];
}

/** What a generation runs on. */
export interface LanguageModel {
  decoder: Decoder;
  rows: EmbeddingRows;
  tokenizer: Qwen2Tokenizer;
  stopIds: ReadonlySet<number>;
  /** Tokens a conversation can have. */
  contextLength: number;
  /** One run at a time over all generations. */
  inTurn<T>(run: () => Promise<T>): Promise<T>;
}

export interface Generated {
  text: string;
  /** Ids of the answer, without the one that ended it. */
  tokenIds: number[];
  finishReason: 'stop' | 'length';
  /** From the last look at the prompt to its first logits, milliseconds. */
  prefillMs: number;
  /** From the beginning to the first token, milliseconds. */
  firstTokenMs: number;
  /** From the first token to the last, milliseconds. */
  decodeMs: number;
  /** All tokens but those in `unfed`; the caller's to keep or to dispose of. */
  cache: KvCache;
  /** Tokens of the answer that `cache` has not seen. */
  unfed: number[];
}

/**
 * @param prompt ids that follow what `start` holds
 * @param start borrowed: it is neither changed nor freed
 * @param history ids before the prompt, for the repetition penalty
 * @param onText called with every piece of text, each whole characters; null when nobody listens
 */
export async function generate(
  model: LanguageModel,
  prompt: readonly number[],
  start: KvCache,
  history: readonly number[],
  options: GenerationOptions,
  onText: ((delta: string) => void) | null,
  signal?: AbortSignal,
): Promise<Generated> {
  const { tokenizer, stopIds, contextLength } = model;
  const begin = performance.now();
  const sampler = new Sampler(options, tokenizer.vocabSize);
  const stream = tokenizer.stream();
  const stops = new StopStrings(options.stop);
  const seen = [...history, ...prompt];
  const tokenIds: number[] = [];
  let text = '';
  const emit = (delta: string) => {
    if (delta === '') return;
    text += delta;
    onText?.(delta);
  };

  const { cache, logits } = await prefill(model, prompt, start, options.maxNewTokens, signal);
  let next = logits;
  const prefillMs = performance.now() - begin;
  let firstTokenMs = 0;
  let firstTokenAt = 0;
  let finishReason: Generated['finishReason'] = 'stop';
  try {
    while (true) {
      const id = sampler.next(next, seen);
      if (firstTokenAt === 0) {
        firstTokenAt = performance.now();
        firstTokenMs = firstTokenAt - begin;
      }
      if (stopIds.has(id)) break;
      tokenIds.push(id);
      seen.push(id);
      emit(stops.push(stream.push(id)));
      if (stops.found) break;
      if (tokenIds.length >= options.maxNewTokens || cache.length + 1 >= contextLength) {
        finishReason = 'length';
        break;
      }
      next = await logitsAfter(model, [id], cache, signal);
    }
    emit(stops.push(stream.flush()));
    emit(stops.flush());
  } catch (error) {
    cache.dispose();
    throw error;
  }
  return {
    text,
    tokenIds,
    finishReason,
    prefillMs,
    firstTokenMs,
    decodeMs: performance.now() - firstTokenAt,
    cache,
    unfed: tokenIds.slice(cache.length - start.length - prompt.length),
  };
}

/** Most tokens of an answer that its cache has room for from the beginning. */
const MAX_ROOM = 64;

/**
 * The logits after `prompt`, and the caller's own cache of all of it.
 *
 * @param start borrowed
 * @param more tokens that are to follow
 * @throws {MclipError} `INVALID_ARGUMENT` when nothing of the context is left for an answer.
 */
export async function prefill(
  model: LanguageModel,
  prompt: readonly number[],
  start: KvCache,
  more: number,
  signal?: AbortSignal,
): Promise<{ logits: Float32Array; cache: KvCache }> {
  const { contextLength } = model;
  const total = start.length + prompt.length;
  if (total >= contextLength) {
    throw invalid(
      `The conversation has ${total} tokens and the model takes ${contextLength}; shorten the question or start a new chat.`,
    );
  }
  const cache = start.continuation(prompt.length + Math.min(more, MAX_ROOM));
  return { logits: await logitsAfter(model, prompt, cache, signal), cache };
}

/** What may follow `ids`, which follow what `cache` holds and are taken into it. */
export async function logitsAfter(
  { decoder, rows, inTurn }: LanguageModel,
  ids: readonly number[],
  cache: KvCache,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const embeds = new Float32Array(ids.length * decoder.hidden);
  await rows.read(ids, embeds, 0);
  return inTurn(() => {
    signal?.throwIfAborted();
    return decoder.next(embeds, cache);
  });
}
