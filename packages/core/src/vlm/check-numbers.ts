import { MclipError } from '../errors.js';

/**
 * The values again; a network that gives something else than numbers is not asked any further.
 *
 * @throws {MclipError} `MODEL_CORRUPT` for NaN and infinity; minus infinity is what a network may mask with
 */
export function checkNumbers(values: Float32Array, what: string): Float32Array {
  // four sums, which do not wait for each other: it is done for every token, over the whole vocabulary
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < values.length; i += 4) {
    a += values[i];
    b += values[i + 1];
    c += values[i + 2];
    d += values[i + 3];
  }
  for (; i < values.length; i++) a += values[i];
  if (a + b + c + d < Infinity) return values;
  throw new MclipError('MODEL_CORRUPT', `The ${what} gave values that are no numbers (NaN or infinity).`);
}
