/**
 * Keys and values of the tokens so far, a tensor [1, kvHeads, rows, headDim] for each layer's keys and each layer's
 * values. A cache belongs to whoever made it and grows with its runs; `continuation` is how another goes on from it.
 */
import type { Tensor } from 'onnxruntime-common';

export type FloatType = 'float32' | 'float16';

/** What caches of a decoder look like. */
export interface CacheLayout {
  /** present output -> past input. */
  pastOf: ReadonlyMap<string, string>;
  type: FloatType;
  kvHeads: number;
  headDim: number;
}

export interface KvCache {
  /** Tokens. */
  readonly length: number;
  /** What the decoder is fed with for a run over `tokens` more. */
  inputs(tokens: number): Record<string, Tensor>;
  /** Where that run's outputs go; null: wherever the runtime likes. */
  outputs(): Record<string, Tensor | null>;
  /** Takes in the outputs of that run. */
  grow(tokens: number, outputs: Readonly<Record<string, unknown>>): void;
  /**
   * The caller's own cache of the same tokens, which is to grow by `tokens`. This one stays as it is, and must stay
   * until the other's first run has ended.
   */
  continuation(tokens: number): KvCache;
  /** Frees what a GPU or the runtime holds. */
  dispose(): void;
}
