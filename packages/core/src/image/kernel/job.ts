/** One resize as the kernels see it: rows of a picture on a canvas, two tables of weights, a window of the result. */
import type { Coefficients } from '../coefficients.js';
import type { Placement, Size } from '../geometry.js';
import type { PixelPart } from '../pixel-reader.js';
import type { Region } from '../region.js';

export interface ResizeJob {
  /** Size of the picture, pixels. */
  readonly image: Size;
  /** Of the rows that `copyCanvasRow` writes: those of the picture, but 3 when no horizontal pass drops the fourth. */
  readonly channels: 3 | 4;
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

/**
 * Writes the columns of row `y` of the canvas to `target` from `offset` on: `(end - first) * job.channels` bytes. The
 * part holds those that are of the picture.
 */
export function copyCanvasRow(
  job: ResizeJob,
  part: PixelPart,
  y: number,
  columns: Range,
  target: Uint8Array,
  offset: number,
): void {
  const { image, canvas, fill, channels } = job;
  const row = y - canvas.top;
  const inside = row >= 0 && row < image.height;
  const first = Math.max(columns.first, canvas.left);
  const end = Math.min(columns.end, canvas.left + image.width);
  const complete = inside && first === columns.first && end === columns.end;
  if (!complete) fillPixels(target, offset, columns.end - columns.first, fill, channels);
  if (!inside || end <= first) return;
  const from = ((row - part.y) * part.width + first - canvas.left - part.x) * part.channels;
  const pixels = part.data.subarray(from, from + (end - first) * part.channels);
  const start = offset + (first - columns.first) * channels;
  if (channels === part.channels) target.set(pixels, start);
  else copyRgb(pixels, target, start);
}

function copyRgb(rgba: Uint8Array, target: Uint8Array, offset: number): void {
  for (let i = 0, o = offset; i < rgba.length; i += 4, o += 3) {
    target[o] = rgba[i];
    target[o + 1] = rgba[i + 1];
    target[o + 2] = rgba[i + 2];
  }
}

function fillPixels(
  target: Uint8Array,
  offset: number,
  count: number,
  [r, g, b]: ResizeJob['fill'],
  channels: number,
): void {
  const end = offset + count * channels;
  for (let i = offset; i < end; i += channels) {
    target[i] = r;
    target[i + 1] = g;
    target[i + 2] = b;
  }
}
