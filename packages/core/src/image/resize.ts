/**
 * Antialiased resize of 8-bit RGB, byte for byte `Image.resize(size, BILINEAR | BICUBIC)` of Pillow 13, and the same for
 * a window of the result, at the cost of the window.
 * Leaves out other filters, source boxes and `reducing_gap` (a two-step approximation that Pillow has off by default).
 */
import { coefficients, type Interpolation } from './coefficients.js';
import type { Placement, Size } from './geometry.js';
import { copyCanvasRow, type ResizeJob } from './kernel/job.js';
import { resizeScalar } from './kernel/scalar.js';
import { SimdResize } from './kernel/simd.js';
import type { PixelPart, PixelReader } from './pixel-reader.js';
import { checkRgbImage, checkSize, invalid, type Region, type RgbImage, type RgbImageLike } from './rgb-image.js';

export type { Interpolation } from './coefficients.js';

/** The picture on a larger surface of one colour. */
export interface Surround {
  readonly placement: Placement;
  readonly fill: readonly [number, number, number];
}

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

/** A part of a picture, on a larger surface or not, resized. */
export interface ResizePlan {
  /** Of the whole resized surface. */
  readonly size: Size;
  /** What is wanted of it; only that is computed. */
  readonly window: Region;
  readonly interpolation: Interpolation;
  readonly surround?: Surround;
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
  const resize = SimdResize.begin(job);
  if (resize === null) return null;
  try {
    resize.push(part);
  } finally {
    resize.close();
  }
  return resize.result;
}

/** The work for the kernels. */
export function resizeJob(
  { width, height, channels }: Pick<PixelReader, 'width' | 'height' | 'channels'>,
  { size, window, interpolation, surround }: ResizePlan,
): ResizeJob {
  const image = { width, height };
  const canvas = surround?.placement ?? { ...image, left: 0, top: 0 };
  const fill = surround?.fill ?? [0, 0, 0];
  const horizontal = canvas.width === size.width ? null : coefficients(canvas.width, size.width, interpolation);
  const vertical = canvas.height === size.height ? null : coefficients(canvas.height, size.height, interpolation);
  const verticalFirst = isVerticalFirst(canvas, size);
  return {
    image,
    channels: horizontal === null ? 3 : channels,
    canvas,
    fill,
    horizontal,
    vertical,
    verticalFirst,
    window,
  };
}

/**
 * Whether Pillow does the vertical pass first: when the height loses more than twice what the width loses, as that of
 * a phone's screenshot (1080x2400) does. Since Pillow 13; older ones begin with the horizontal pass, and then differ
 * from these bytes by a level here and there.
 */
function isVerticalFirst(from: Size, to: Size): boolean {
  return to.height < from.height && from.height - to.height > 2 * (from.width - to.width);
}

/** Throws `INVALID_ARGUMENT` for anything but the two filters. */
export function checkInterpolation(interpolation: Interpolation): void {
  if (interpolation !== 'bilinear' && interpolation !== 'bicubic') {
    throw invalid(`Expected interpolation 'bilinear' or 'bicubic', got ${JSON.stringify(interpolation)}.`);
  }
}

/** A window that only has to be copied, else null. */
export function copyWindow(job: ResizeJob, part: PixelPart): Uint8Array | null {
  if (job.horizontal !== null || job.vertical !== null) return null;
  const { x, y, width, height } = job.window;
  const output = new Uint8Array(width * height * 3);
  const columns = { first: x, end: x + width };
  for (let i = 0; i < height; i++) copyCanvasRow(job, part, y + i, columns, output, i * width * 3);
  return output;
}
