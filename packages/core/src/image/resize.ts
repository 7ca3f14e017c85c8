/**
 * Antialiased resize of 8-bit RGB, byte for byte `Image.resize(size, BILINEAR | BICUBIC)` of Pillow 13, and the same for
 * a window of the result, at the cost of the window.
 * Leaves out other filters, source boxes and `reducing_gap` (a two-step approximation that Pillow has off by default).
 */
import { invalid } from '../errors.js';
import type { Interpolation } from './coefficients.js';
import type { ResizeJob } from './kernel/job.js';
import { resizeScalar } from './kernel/scalar.js';
import { beginSimdResize } from './kernel/simd.js';
import type { PixelPart } from './pixel-reader.js';
import { copyWindow, type ResizePlan, resizeJob } from './resize-plan.js';
import { checkRgbImage, checkSize, type RgbImage, type RgbImageLike } from './rgb-image.js';

/**
 * Resizes to `width` x `height`; identical bytes to Pillow 13's `Image.resize` with the same filter. When shrinking, the
 * filter widens with the ratio (antialiasing). The same size gives a copy.
 * @throws MclipError `INVALID_ARGUMENT` for sizes that are not positive integers, a wrong data length, another filter.
 */
export function resize(image: RgbImageLike, width: number, height: number, interpolation: Interpolation): RgbImage {
  const source = checkRgbImage(image);
  checkSize(width, height, 'a target size');
  checkInterpolation(interpolation);
  return resizeWindow(source, { size: { width, height }, window: { x: 0, y: 0, width, height }, interpolation });
}

/** Carries out a plan on a picture that is held whole. Arguments are checked by the callers. */
export function resizeWindow(image: RgbImage, plan: ResizePlan): RgbImage {
  const job = resizeJob({ ...image, channels: 3 }, plan);
  const part = { ...image, x: 0, y: 0, channels: 3 } as const;
  const { width, height } = plan.window;
  return { data: copyWindow(job, part) ?? resizeSimd(job, part) ?? resizeScalar(job, part), width, height };
}

/** By the WebAssembly kernel; null when it cannot. */
export function resizeSimd(job: ResizeJob, part: PixelPart): Uint8Array | null {
  const resize = beginSimdResize(job);
  if (resize === null) return null;
  try {
    resize.push(part);
  } finally {
    resize.close();
  }
  return resize.result;
}

/** Throws `INVALID_ARGUMENT` for anything but the two filters. */
export function checkInterpolation(interpolation: Interpolation): void {
  if (interpolation !== 'bilinear' && interpolation !== 'bicubic') {
    throw invalid(`Expected interpolation 'bilinear' or 'bicubic', got ${JSON.stringify(interpolation)}.`);
  }
}
