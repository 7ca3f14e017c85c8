/**
 * Keys and values of the tokens so far, a tensor [1, kvHeads, rows, headDim] for each layer's keys and each layer's
 * values. A cache belongs to whoever made it and grows with its runs; `continuation` is how another goes on from it.
 */
import { Tensor, type TensorConstructor, type TypedTensor } from 'onnxruntime-common';

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
      tensors[input] = new Tensor(type, arrayOf(type, 0), [1, kvHeads, 0, headDim]) as TypedTensor<FloatType>;
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
    const memory = arrayOf(type, pastOf.size * size);
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

function arrayOf(type: FloatType, length: number): Float32Array | Uint16Array {
  return type === 'float32' ? new Float32Array(length) : new Uint16Array(length);
}
