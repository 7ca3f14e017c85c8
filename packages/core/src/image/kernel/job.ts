/** One resize as the kernels see it: rows of a picture on a canvas, two tables of weights, a window of the result. */
import type { Coefficients } from '../coefficients.js';
import type { Placement } from '../geometry.js';
import type { Region, RgbImage } from '../rgb-image.js';

export interface ResizeJob {
  readonly image: RgbImage;
  /** The surface that is resized; what the image leaves free has the colour `fill`. */
  readonly canvas: Placement;
  readonly fill: readonly [number, number, number];
  /** Null when the width stays: Pillow then skips the pass. */
  readonly horizontal: Coefficients | null;
  /** Null when the height stays. */
  readonly vertical: Coefficients | null;
  /** The order of the passes; each rounds to bytes, so it is part of the result. */
  readonly verticalFirst: boolean;
  /** The part of the resized canvas that is wanted. */
  readonly window: Region;
}

/** A half-open range of rows or columns. */
export interface Range {
  readonly first: number;
  readonly end: number;
}

/** The inputs that outputs `offset` to `offset + length` read. */
export function inputRange(table: Coefficients | null, offset: number, length: number): Range {
  if (table === null) return { first: offset, end: offset + length };
  const last = offset + length - 1;
  return { first: table.starts[offset], end: table.starts[last] + table.counts[last] };
}

/** Writes the columns of row `y` of the canvas to `target` from `offset` on: `(end - first) * 3` bytes. */
export function copyCanvasRow(job: ResizeJob, y: number, columns: Range, target: Uint8Array, offset: number): void {
  const { image, canvas, fill } = job;
  const row = y - canvas.top;
  const inside = row >= 0 && row < image.height;
  const first = Math.max(columns.first, canvas.left);
  const end = Math.min(columns.end, canvas.left + image.width);
  const complete = inside && first === columns.first && end === columns.end;
  if (!complete) fillPixels(target, offset, columns.end - columns.first, fill);
  if (!inside || end <= first) return;
  const from = (row * image.width + first - canvas.left) * 3;
  target.set(image.data.subarray(from, from + (end - first) * 3), offset + (first - columns.first) * 3);
}

function fillPixels(target: Uint8Array, offset: number, count: number, [r, g, b]: ResizeJob['fill']): void {
  const end = offset + count * 3;
  for (let i = offset; i < end; i += 3) {
    target[i] = r;
    target[i + 1] = g;
    target[i + 2] = b;
  }
}
