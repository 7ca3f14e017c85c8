/**
 * Whether a decoder may write its cache where it reads it. That depends on the graph (GroupQueryAttention appends, a
 * Concat cannot) and on the runtime (it must write to the memory it is given), so that it is tried, not concluded: three
 * tokens in two runs, once each way.
 */
import type { TensorConstructor } from 'onnxruntime-common';
import type { Decoder } from './decoder.js';
import type { CacheLayout, KvCache } from './kv-cache.js';
import { SharedCache } from './shared-cache.js';

/** Of the largest logit; the two ways are the same arithmetic. */
const TOLERANCE = 1e-4;

/** How empty caches are made that are written in place; null where that does not work. */
export async function cachesInPlace(
  decoder: Decoder,
  layout: CacheLayout,
  OutputTensor: TensorConstructor,
): Promise<(() => KvCache) | null> {
  const shared = () => SharedCache.empty(layout, OutputTensor);
  const expected = await lastLogits(decoder, decoder.emptyCache());
  try {
    const logits = await lastLogits(decoder, shared());
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return expected.every((value, id) => Math.abs(value - logits[id]!) <= TOLERANCE * largest) ? shared : null;
  } catch {
    return null; // a graph whose outputs do not have the shape of its inputs
  }
}

/** After two tokens and one more: the second run needs what the first has left. */
async function lastLogits(decoder: Decoder, cache: KvCache): Promise<Float32Array> {
  const wave = (tokens: number) =>
    Float32Array.from({ length: tokens * decoder.hidden }, (_, i) => 0.02 * Math.sin(i + tokens));
  try {
    await decoder.next(wave(2), cache);
    return await decoder.next(wave(1), cache);
  } finally {
    cache.dispose();
  }
}
