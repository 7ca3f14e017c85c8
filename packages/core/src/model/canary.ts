/**
 * The self-check of a device: a fixed generated input whose answer is known. The picture is made of the same integers
 * here and in Python (tools/export, tools/nano), which computed the expected answers.
 */
import { MclipError } from '../errors.js';
import type { DeviceName } from '../platform.js';
import { isReference } from './device.js';

/** What a device is to prove while a graph is loaded on it. */
export interface SelfCheck {
  /** The answer it must give; null: only asked for its answer. */
  expected: Float32Array | null;
  /** Least cosine between the two. */
  least: number;
}

/** The text whose embedding is checked where a manifest names none. */
export const CANARY_TEXT = 'a photo of a cat.';

/** Picture 1: RGB bytes [size, size, 3]. */
export function canaryPicture(size: number): Uint8Array {
  const pixels = new Uint8Array(3 * size * size);
  let at = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++) pixels[at++] = (x * x * (c + 1) + y * y * (3 - c) + x * y * 2) >> 3; // cut to a byte
    }
  }
  return pixels;
}

/** False as well for an answer that is not numbers. Without an expectation any numbers are right. */
export function isRight(answer: Float32Array, { expected, least }: SelfCheck): boolean {
  return expected === null ? answer.every(Number.isFinite) : cosineOf(answer, expected) >= least;
}

export function failedCheck(device: DeviceName, why: string, cause?: unknown): MclipError {
  const wayOut = isReference(device)
    ? 'The model file may not be the one its manifest describes: verify or export it again'
    : "Choose device 'auto', or the CPU ('cpu' in Node.js, 'wasm' in browsers)";
  return new MclipError('DEVICE_UNAVAILABLE', `Device '${device}' failed its self-check: ${why}. ${wayOut}.`, {
    cause,
  });
}

/** 0 for vectors of different lengths, NaN when one holds NaN. */
export function cosineOf(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return dot / Math.sqrt(aa * bb);
}
