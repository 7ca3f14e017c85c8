import { Tensor, type TypedTensor } from 'onnxruntime-common';
import type { CacheLayout, FloatType, KvCache } from './kv-cache.js';

/** Every run gives new tensors, longer ones: right for every graph. */
export class ReplacedCache implements KvCache {
  readonly #layout: CacheLayout;
  #length: number;
  #tensors: Record<string, Tensor>;
  /** Another cache's. */
  #borrowed: boolean;

  private constructor(layout: CacheLayout, length: number, tensors: Record<string, Tensor>) {
    this.#layout = layout;
    this.#length = length;
    this.#tensors = tensors;
    this.#borrowed = true;
  }

  static empty(layout: CacheLayout): ReplacedCache {
    const { pastOf, type, kvHeads, headDim } = layout;
    const tensors: Record<string, Tensor> = {};
    for (const input of pastOf.values()) {
      tensors[input] = new Tensor(type, type === 'float32' ? new Float32Array(0) : new Uint16Array(0), [
        1,
        kvHeads,
        0,
        headDim,
      ]) as TypedTensor<FloatType>;
    }
    return new ReplacedCache(layout, 0, tensors);
  }

  get length(): number {
    return this.#length;
  }

  inputs(): Record<string, Tensor> {
    return this.#tensors;
  }

  outputs(): Record<string, null> {
    return Object.fromEntries([...this.#layout.pastOf.keys()].map((output) => [output, null]));
  }

  grow(tokens: number, outputs: Readonly<Record<string, unknown>>): void {
    const longer: Record<string, Tensor> = {};
    for (const [output, input] of this.#layout.pastOf) longer[input] = outputs[output] as Tensor;
    this.dispose();
    this.#tensors = longer;
    this.#borrowed = false;
    this.#length += tokens;
  }

  continuation(): KvCache {
    return new ReplacedCache(this.#layout, this.#length, this.#tensors);
  }

  dispose(): void {
    if (!this.#borrowed) for (const tensor of Object.values(this.#tensors)) tensor.dispose();
  }
}
