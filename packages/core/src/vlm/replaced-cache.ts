import type { Tensor } from 'onnxruntime-common';
import { inputTensor } from '../input-tensor.js';
import type { CacheLayout, KvCache } from './kv-cache.js';

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
      const dims = [1, kvHeads, 0, headDim];
      tensors[input] =
        type === 'float32' ? inputTensor(type, new Float32Array(0), dims) : inputTensor(type, new Uint16Array(0), dims);
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
