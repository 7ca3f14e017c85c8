import { MclipError } from '../errors.js';

/** Of the graph by onnxruntime, and not for want of memory, which the file would want too. */
export function isRefusal(error: unknown): error is Error {
  if (MclipError.isInstance(error) || error instanceof RangeError || !(error instanceof Error)) return false;
  return !/bad_alloc|(out of|enough|no) memory|allocat/i.test(error.message);
}
