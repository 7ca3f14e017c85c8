/**
 * The resize in plain typed arrays: one pass over the needed rows and columns, rounded to bytes, then the other.
 * Works everywhere; the reference for the SIMD kernel, which must give the same bytes.
 */
import { type Coefficients, HALF, PRECISION_BITS } from '../coefficients.js';
import type { PixelPart } from '../pixel-reader.js';
import type { Region } from '../region.js';
import { copyCanvasRow, inputRange, type ResizeJob } from './job.js';

/** Rows between the passes are kept for the next call up to this many bytes. */
const SCRATCH_MAX_BYTES = 1 << 22;
let scratch = new Uint8Array(0);

/** The window of the resized canvas, from a part with all of the picture that it needs. [window.height * window.width * 3] */
export function resizeScalar(job: ResizeJob, part: PixelPart): Uint8Array {
  const { horizontal, vertical, window, channels } = job;
  const columns = inputRange(horizontal, window.x, window.width);
  const rows = inputRange(vertical, window.y, window.height);
  const rowBytes = window.width * 3;
  const inputBytes = (columns.end - columns.first) * channels;
  const output = new Uint8Array(rowBytes * window.height);
  const input = new Uint8Array(inputBytes);

  if (vertical === null) {
    for (let y = rows.first, o = 0; y < rows.end; y++, o += rowBytes) resizeRow(y, output, o);
  } else if (job.verticalFirst && horizontal !== null) {
    const middle = scratchOf((rows.end - rows.first) * inputBytes);
    for (let y = rows.first, o = 0; y < rows.end; y++, o += inputBytes) copyCanvasRow(job, part, y, columns, middle, o);
    const sums = new Int32Array(inputBytes);
    for (let i = 0; i < window.height; i++) {
      verticalRow(middle, rows.first, vertical, window.y + i, sums, input, 0);
      horizontalRow(input, channels, columns.first, horizontal, window, output, i * rowBytes);
    }
  } else {
    const middle = scratchOf((rows.end - rows.first) * rowBytes);
    for (let y = rows.first, o = 0; y < rows.end; y++, o += rowBytes) resizeRow(y, middle, o);
    const sums = new Int32Array(rowBytes);
    for (let i = 0; i < window.height; i++) {
      verticalRow(middle, rows.first, vertical, window.y + i, sums, output, i * rowBytes);
    }
  }
  return output;

  /** Row `y` of the canvas, resized horizontally. */
  function resizeRow(y: number, target: Uint8Array, offset: number): void {
    if (horizontal === null) {
      copyCanvasRow(job, part, y, columns, target, offset);
    } else {
      copyCanvasRow(job, part, y, columns, input, 0);
      horizontalRow(input, channels, columns.first, horizontal, window, target, offset);
    }
  }
}

function horizontalRow(
  input: Uint8Array,
  channels: number,
  inputFirst: number,
  { starts, counts, weights, taps }: Coefficients,
  { x: first, width }: Region,
  target: Uint8Array,
  offset: number,
): void {
  const end = first + width;
  for (let x = first, o = offset; x < end; x++, o += 3) {
    let p = (starts[x] - inputFirst) * channels;
    let k = x * taps;
    const kEnd = k + counts[x];
    let r = HALF;
    let g = HALF;
    let b = HALF;
    for (; k < kEnd; k++, p += channels) {
      const weight = weights[k];
      r = (r + Math.imul(input[p], weight)) | 0;
      g = (g + Math.imul(input[p + 1], weight)) | 0;
      b = (b + Math.imul(input[p + 2], weight)) | 0;
    }
    target[o] = clip8(r);
    target[o + 1] = clip8(g);
    target[o + 2] = clip8(b);
  }
}

function verticalRow(
  middle: Uint8Array,
  middleFirst: number,
  { starts, counts, weights, taps }: Coefficients,
  y: number,
  sums: Int32Array,
  target: Uint8Array,
  offset: number,
): void {
  const rowBytes = sums.length;
  const count = counts[y];
  let row = (starts[y] - middleFirst) * rowBytes;
  sums.fill(HALF);
  for (let j = 0; j < count; j++, row += rowBytes) {
    const weight = weights[y * taps + j];
    for (let i = 0; i < rowBytes; i++) sums[i] += Math.imul(middle[row + i], weight);
  }
  for (let i = 0; i < rowBytes; i++) target[offset + i] = clip8(sums[i]);
}

/** A sum of weights times bytes as a byte: weights may be negative, so sums leave 0 to 255. */
function clip8(sum: number): number {
  return Math.min(Math.max(sum >> PRECISION_BITS, 0), 255);
}

function scratchOf(bytes: number): Uint8Array {
  if (bytes > SCRATCH_MAX_BYTES) return new Uint8Array(bytes);
  if (scratch.length < bytes) scratch = new Uint8Array(bytes);
  return scratch;
}
