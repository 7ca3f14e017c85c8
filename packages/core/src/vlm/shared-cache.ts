import type { Tensor, TensorConstructor, TypedTensor } from 'onnxruntime-common';
import type { CacheLayout, FloatType, KvCache } from './kv-cache.js';

/** Rows there are room for beyond those that were asked for, whenever there are too few. */
const SPARE_ROWS = 64;

/**
 * One memory that the decoder reads and writes behind its end, as onnxruntime's GroupQueryAttention does where past and
 * present are the same memory: a step copies nothing and the runtime hands nothing out. Not for every graph and runtime
 * (writes-in-place.ts).
 */
export class SharedCache implements KvCache {
  readonly #layout: CacheLayout;
  readonly #Tensor: TensorConstructor;
  #length = 0;
  #capacity = 0;
  /** All tensors one after the other. */
  #memory: Float32Array | Uint16Array = new Float32Array(0);
  #inputs: Record<string, Tensor> = {};
  #outputs: Record<string, Tensor> = {};

  private constructor(layout: CacheLayout, OutputTensor: TensorConstructor, capacity: number) {
    this.#layout = layout;
    this.#Tensor = OutputTensor;
    this.#reserve(capacity);
  }

  static empty(layout: CacheLayout, OutputTensor: TensorConstructor): SharedCache {
    return new SharedCache(layout, OutputTensor, 0);
  }

  get length(): number {
    return this.#length;
  }

  inputs(tokens: number): Record<string, Tensor> {
    const needed = this.#length + tokens;
    if (needed > this.#capacity) this.#reserve(this.#length === 0 ? needed : needed + SPARE_ROWS);
    return this.#inputs;
  }

  outputs(): Record<string, Tensor> {
    return this.#outputs;
  }

  grow(tokens: number): void {
    this.#length += tokens;
  }

  continuation(tokens: number): KvCache {
    const other = new SharedCache(this.#layout, this.#Tensor, this.#length + tokens);
    this.#copyTo(other.#memory, other.#capacity);
    other.#length = this.#length;
    return other;
  }

  dispose(): void {}

  #reserve(capacity: number): void {
    const { pastOf, type, kvHeads, headDim } = this.#layout;
    const size = kvHeads * capacity * headDim;
    const memory = type === 'float32' ? new Float32Array(pastOf.size * size) : new Uint16Array(pastOf.size * size);
    this.#copyTo(memory, capacity);
    this.#inputs = {};
    this.#outputs = {};
    let start = 0;
    for (const [output, input] of pastOf) {
      const rows = memory.subarray(start, start + size);
      const tensor = new this.#Tensor(type, rows, [1, kvHeads, capacity, headDim]) as TypedTensor<FloatType>;
      this.#inputs[input] = tensor;
      this.#outputs[output] = tensor;
      start += size;
    }
    this.#memory = memory;
    this.#capacity = capacity;
  }

  /** Rows of the tokens so far into a memory with room for `capacity`. */
  #copyTo(memory: Float32Array | Uint16Array, capacity: number): void {
    const { pastOf, kvHeads, headDim } = this.#layout;
    for (let head = 0; head < pastOf.size * kvHeads; head++) {
      const start = head * this.#capacity * headDim;
      memory.set(this.#memory.subarray(start, start + this.#length * headDim), head * capacity * headDim);
    }
  }
}
