/** What goes into a run, as plain data: runtimes take it, and onnxruntime-common's class would be 4 kB of every worker. */
import type { TypedTensor } from 'onnxruntime-common';

interface TypedData {
  float32: Float32Array;
  /** Bits: not every browser has a `Float16Array`. */
  float16: Uint16Array;
  int64: BigInt64Array;
}

export function inputTensor<T extends keyof TypedData>(
  type: T,
  data: TypedData[T],
  dims: readonly number[],
): TypedTensor<T> {
  return { type, data, dims, location: 'cpu' } as unknown as TypedTensor<T>;
}
