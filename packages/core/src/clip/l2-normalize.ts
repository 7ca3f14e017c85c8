import { invalid } from '../errors.js';

/**
 * Divides a vector by its Euclidean length, in place.
 *
 * @returns the same array
 * @throws {MclipError} `INVALID_ARGUMENT` when the length is zero or not finite: such a vector has no direction.
 */
export function l2Normalize<V extends Float32Array>(vector: V): V {
  let sum = 0;
  for (let index = 0; index < vector.length; index++) sum += vector[index]! * vector[index]!;
  const length = Math.sqrt(sum);
  if (!(length > 0 && length < Infinity)) {
    throw invalid(`Cannot normalise a vector of length ${length}.`);
  }
  for (let index = 0; index < vector.length; index++) vector[index]! /= length;
  return vector;
}
