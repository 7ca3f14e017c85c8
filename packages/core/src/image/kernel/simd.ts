/**
 * The resize with the WebAssembly SIMD passes of resize.as.ts. Rows of the picture are copied into wasm memory a few at
 * a time and a sliding window of them is kept there, so memory stays small and in cache.
 * Gives way (null) where WebAssembly SIMD is missing or forbidden, and to jobs that would need too much memory.
 */
import type { Coefficients } from '../coefficients.js';
import type { PixelPart } from '../pixel-reader.js';
import { copyCanvasRow, inputRange, type Range, type ResizeJob } from './job.js';
import { WASM_BASE64 } from './wasm.js';

/** Arguments are byte offsets into `memory`, strides in bytes, and counts. */
interface Kernel {
  readonly memory: WebAssembly.Memory;
  readonly horizontal4: (
    rows: number,
    rowStride: number,
    channels: number,
    starts: number,
    weights: number,
    pairs: number,
    width: number,
    target: number,
    targetStride: number,
  ) => void;
  readonly vertical: (
    rows: number,
    rowStride: number,
    weights: number,
    pairs: number,
    rowBytes: number,
    target: number,
  ) => void;
}

/** Rows per call of `horizontal4`. */
const ROWS = 4;
/** Rows the window can slide before it is moved back to its start. */
const SLIDE_ROWS = 32;
/** Wasm memory never shrinks, so it is not let grow beyond this. */
const MAX_MEMORY_BYTES = 1 << 24;
const PAGE_BYTES = 1 << 16;

/** Null where WebAssembly SIMD is missing or forbidden. */
let code: WebAssembly.Module | null | undefined;
/** Not in use: each holds the rows of one resize. */
const kernels: Kernel[] = [];
const packed = new WeakMap<Coefficients, Int16Array>();

/** One resize under way: takes the picture in parts from the top down. */
export interface SimdResize {
  /** The window of the resized canvas. [window.height * window.width * 3] */
  readonly result: Uint8Array;
  isDone(): boolean;
  /** The next rows of the picture, with all columns that the window needs. */
  push(part: PixelPart): void;
  /** Must be called: lets the next resize have the memory. */
  close(): void;
}

/** Null when this kernel cannot do it. */
export function beginSimdResize(job: ResizeJob): SimdResize | null {
  const { image, channels, canvas, horizontal, vertical, verticalFirst, window } = job;
  const columns = inputRange(horizontal, window.x, window.width);
  const columnCount = columns.end - columns.first;
  const rowsOf = (y: number, height: number) => inputRange(vertical, window.y + y, height);
  const needed = rowsOf(0, window.height);
  const horizontalFirst = horizontal !== null && !verticalFirst;
  const horizontalLast = horizontal !== null && verticalFirst;

  // wasm memory: tables, `ROWS` rows that go into the horizontal pass, a sliding window of rows that the vertical pass
  // reads (`capacity` of them and some slack), `ROWS` finished rows; offsets and strides in bytes
  const rowBytes = window.width * 3;
  const horizontalPairs = pairsOf(horizontal);
  const verticalPairs = pairsOf(vertical);
  const middleBytes = verticalFirst ? columnCount * channels : rowBytes;
  // all outputs read the same number of taps: those of weight zero may lie beyond the row
  const inputStride = align((columnCount + horizontalPairs * 2) * channels + 16);
  const middleStride = align(middleBytes + 16);
  const outputStride = align(rowBytes + 16);
  const capacity = verticalPairs * 2 + ROWS + SLIDE_ROWS;
  const starts = 0;
  const horizontalWeights = align(starts + window.width * 4);
  const verticalWeights = align(horizontalWeights + window.width * horizontalPairs * 8);
  const input = align(verticalWeights + window.height * verticalPairs * 8);
  const middle = input + ROWS * inputStride;
  const output = middle + (capacity + ROWS) * middleStride;
  const end = output + ROWS * outputStride;

  const kernel = end > MAX_MEMORY_BYTES ? null : takeKernel(end);
  if (kernel === null) return null;
  const bytes = new Uint8Array(kernel.memory.buffer);
  if (horizontal !== null) {
    const offsets = new Int32Array(bytes.buffer, starts, window.width);
    for (let i = 0; i < window.width; i++) offsets[i] = (horizontal.starts[window.x + i] - columns.first) * channels;
    bytes.set(packedWeights(horizontal, window.x, window.width), horizontalWeights);
  }
  if (vertical !== null) bytes.set(packedWeights(vertical, window.y, window.height), verticalWeights);

  const result = new Uint8Array(rowBytes * window.height);
  /** First row of the result that is not made yet. */
  let next = 0;
  /** Canvas row at the start of the sliding window, and the first that is not in it yet. */
  let base = needed.first;
  let filled = needed.first;

  /** @param partEnd first canvas row that the parts so far do not hold */
  function resizeRow(i: number, part: PixelPart, partEnd: number): void {
    // what the vertical pass gives is either the result or goes through the horizontal pass, four rows at a time
    const slot = i % ROWS;
    const target = horizontalLast ? input + slot * inputStride : output + slot * outputStride;
    const rows = rowsOf(i, 1);
    const from = slideTo(rows, part, partEnd);
    if (vertical === null) {
      bytes.copyWithin(target, from, from + middleBytes);
    } else {
      const weights = verticalWeights + i * verticalPairs * 8;
      kernel!.vertical(from, middleStride, weights, (rows.end - rows.first + 1) >> 1, middleBytes, target);
    }
    if (slot < ROWS - 1 && i < window.height - 1) return;
    if (horizontalLast) horizontalPass(output, outputStride);
    for (let j = 0; j <= slot; j++) {
      const finished = output + j * outputStride;
      result.set(bytes.subarray(finished, finished + rowBytes), (i - slot + j) * rowBytes);
    }
  }

  /** Offset of canvas row `first` in the window, which then holds the rows up to `end`. Calls never go back. */
  function slideTo({ first, end }: Range, part: PixelPart, partEnd: number): number {
    while (filled < end) {
      if (filled + ROWS - base > capacity) {
        bytes.copyWithin(middle, middle + (first - base) * middleStride, middle + (filled - base) * middleStride);
        base = first;
      }
      fillRows(middle + (filled - base) * middleStride, part, Math.min(filled + ROWS, partEnd));
    }
    return middle + (first - base) * middleStride;
  }

  /** Brings the next rows of the canvas, `ROWS` at most, into the window. */
  function fillRows(target: number, part: PixelPart, end: number): void {
    let offset = horizontalFirst ? input : target;
    for (; filled < end; filled++, offset += horizontalFirst ? inputStride : middleStride) {
      copyCanvasRow(job, part, filled, columns, bytes, offset);
    }
    if (horizontalFirst) horizontalPass(target, middleStride);
  }

  function horizontalPass(target: number, targetStride: number): void {
    const { horizontal4 } = kernel!;
    const pairs = horizontalPairs;
    horizontal4(input, inputStride, channels, starts, horizontalWeights, pairs, window.width, target, targetStride);
  }

  return {
    result,
    isDone: () => next === window.height,
    push(part) {
      const pictureEnd = part.y + part.height;
      const partEnd = pictureEnd < image.height ? Math.min(pictureEnd + canvas.top, needed.end) : needed.end;
      for (; next < window.height && rowsOf(next, 1).end <= partEnd; next++) resizeRow(next, part, partEnd);
      // the part is gone afterwards: what is left of it is for the rows to come
      if (next < window.height) slideTo({ first: rowsOf(next, 1).first, end: partEnd }, part, partEnd);
    },
    close: () => void kernels.push(kernel),
  };
}

/** The weights of some outputs as the kernel reads them. [length, pairs, (high, high, low, low)] 16-bit */
function packedWeights(table: Coefficients, first: number, length: number): Uint8Array {
  let all = packed.get(table);
  if (all === undefined) {
    all = packWeights(table);
    packed.set(table, all);
  }
  const stride = pairsOf(table) * 8;
  return new Uint8Array(all.buffer, first * stride, length * stride);
}

function packWeights(table: Coefficients): Int16Array {
  const { outSize, taps, weights } = table;
  const pairs = pairsOf(table);
  const result = new Int16Array(outSize * pairs * 4);
  for (let i = 0; i < outSize; i++) {
    for (let j = 0; j < taps; j++) {
      const weight = weights[i * taps + j];
      const o = (i * pairs + (j >> 1)) * 4 + (j & 1);
      result[o] = weight >> 11; // below 2^12: no weight is as large as 2
      result[o + 2] = weight & 2047;
    }
  }
  return result;
}

function pairsOf(table: Coefficients | null): number {
  return table === null ? 0 : (table.taps + 1) >> 1;
}

function takeKernel(bytes: number): Kernel | null {
  try {
    code ??= new WebAssembly.Module(Uint8Array.from(atob(WASM_BASE64), (char) => char.charCodeAt(0)));
  } catch {
    code = null; // for good: no WebAssembly, no SIMD, or a policy without `wasm-unsafe-eval`
  }
  if (!code) return null;
  const kernel = kernels.pop() ?? (new WebAssembly.Instance(code).exports as unknown as Kernel);
  const missing = bytes - kernel.memory.buffer.byteLength;
  try {
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE_BYTES));
    return kernel;
  } catch {
    kernels.push(kernel);
    return null; // out of memory
  }
}

function align(offset: number): number {
  return (offset + 15) & -16;
}
