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

/** Offsets in wasm memory, in bytes. */
interface Layout {
  readonly starts: number;
  readonly horizontalWeights: number;
  readonly verticalWeights: number;
  /** `ROWS` rows that `horizontal4` reads. */
  readonly input: number;
  readonly inputStride: number;
  /** The sliding window of rows that `vertical` reads: `capacity` of them and some slack. */
  readonly middle: number;
  readonly middleStride: number;
  /** Bytes of such a row. */
  readonly middleBytes: number;
  readonly capacity: number;
  /** `ROWS` finished rows. */
  readonly output: number;
  readonly outputStride: number;
  readonly end: number;
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
export class SimdResize {
  readonly #kernel: Kernel;
  readonly #job: ResizeJob;
  readonly #columns: Range;
  readonly #layout: Layout;
  readonly #bytes: Uint8Array;
  readonly #rowsEnd: number;
  /** The window of the resized canvas. [window.height * window.width * 3] */
  readonly result: Uint8Array;
  #part: PixelPart | null = null;
  /** First canvas row that the parts so far do not hold. */
  #end = 0;
  /** Canvas row at the start of the sliding window. */
  #base: number;
  /** First canvas row that is not in it yet. */
  #filled: number;
  /** First row of the result that is not made yet. */
  #next = 0;

  /** Null when this kernel cannot do it. Else `close` must follow. */
  static begin(job: ResizeJob): SimdResize | null {
    const columns = inputRange(job.horizontal, job.window.x, job.window.width);
    const layout = layOut(job, columns);
    const kernel = layout.end > MAX_MEMORY_BYTES ? null : takeKernel(layout.end);
    return kernel && new SimdResize(kernel, job, columns, layout);
  }

  private constructor(kernel: Kernel, job: ResizeJob, columns: Range, layout: Layout) {
    const { horizontal, vertical, window } = job;
    const rows = inputRange(vertical, window.y, window.height);
    this.#kernel = kernel;
    this.#job = job;
    this.#columns = columns;
    this.#layout = layout;
    this.#bytes = new Uint8Array(kernel.memory.buffer);
    this.#rowsEnd = rows.end;
    this.#base = this.#filled = rows.first;
    this.result = new Uint8Array(window.width * window.height * 3);
    if (horizontal !== null) this.#writeHorizontal(horizontal);
    if (vertical !== null) this.#bytes.set(packedWeights(vertical, window.y, window.height), layout.verticalWeights);
  }

  get done(): boolean {
    return this.#next === this.#job.window.height;
  }

  /** The next rows of the picture, with all columns that the window needs. */
  push(part: PixelPart): void {
    const { image, canvas, window } = this.#job;
    const pictureEnd = part.y + part.height;
    this.#part = part;
    this.#end = pictureEnd < image.height ? Math.min(pictureEnd + canvas.top, this.#rowsEnd) : this.#rowsEnd;
    for (; !this.done && this.#inputOf(this.#next).end <= this.#end; this.#next++) this.#resizeRow(this.#next);
    // the part is gone afterwards: what is left of it is for the rows to come
    if (this.#next < window.height) this.#rows({ first: this.#inputOf(this.#next).first, end: this.#end });
  }

  /** Lets the next resize have the memory. */
  close(): void {
    kernels.push(this.#kernel);
  }

  #inputOf(row: number): Range {
    return inputRange(this.#job.vertical, this.#job.window.y + row, 1);
  }

  #resizeRow(i: number): void {
    const { horizontal, vertical, verticalFirst, window } = this.#job;
    const { middleStride, middleBytes, input, inputStride, output, outputStride, verticalWeights } = this.#layout;
    const horizontalLast = horizontal !== null && verticalFirst;
    // what the vertical pass gives is either the result or goes through the horizontal pass, four rows at a time
    const slot = i % ROWS;
    const target = horizontalLast ? input + slot * inputStride : output + slot * outputStride;
    const rows = this.#inputOf(i);
    const from = this.#rows(rows);
    if (vertical === null) {
      this.#bytes.copyWithin(target, from, from + middleBytes);
    } else {
      const weights = verticalWeights + i * pairsOf(vertical) * 8;
      this.#kernel.vertical(from, middleStride, weights, (rows.end - rows.first + 1) >> 1, middleBytes, target);
    }
    if (slot < ROWS - 1 && i < window.height - 1) return;
    if (horizontalLast) this.#horizontal4(output, outputStride);
    const rowBytes = window.width * 3;
    for (let j = 0; j <= slot; j++) {
      const finished = output + j * outputStride;
      this.result.set(this.#bytes.subarray(finished, finished + rowBytes), (i - slot + j) * rowBytes);
    }
  }

  /** Offset of canvas row `first` in the window, which then holds the rows up to `end`. Calls never go back. */
  #rows({ first, end }: Range): number {
    const { middle, middleStride, capacity } = this.#layout;
    while (this.#filled < end) {
      if (this.#filled + ROWS - this.#base > capacity) {
        const from = middle + (first - this.#base) * middleStride;
        this.#bytes.copyWithin(middle, from, middle + (this.#filled - this.#base) * middleStride);
        this.#base = first;
      }
      this.#fillRows(middle + (this.#filled - this.#base) * middleStride);
    }
    return middle + (first - this.#base) * middleStride;
  }

  /** Brings the next rows of the canvas, `ROWS` at most, into the window. */
  #fillRows(target: number): void {
    const job = this.#job;
    const { input, inputStride, middleStride } = this.#layout;
    const first = this.#filled;
    const end = Math.min(first + ROWS, this.#end);
    const horizontalFirst = job.horizontal !== null && !job.verticalFirst;
    const offset = horizontalFirst ? input : target;
    const stride = horizontalFirst ? inputStride : middleStride;
    for (let y = first; y < end; y++) {
      copyCanvasRow(job, this.#part!, y, this.#columns, this.#bytes, offset + (y - first) * stride);
    }
    if (horizontalFirst) this.#horizontal4(target, middleStride);
    this.#filled = end;
  }

  #horizontal4(target: number, targetStride: number): void {
    const { input, inputStride, starts, horizontalWeights } = this.#layout;
    const { horizontal, window, channels } = this.#job;
    const pairs = pairsOf(horizontal);
    const { horizontal4 } = this.#kernel;
    horizontal4(input, inputStride, channels, starts, horizontalWeights, pairs, window.width, target, targetStride);
  }

  #writeHorizontal(table: Coefficients): void {
    const { window, channels } = this.#job;
    const starts = new Int32Array(this.#bytes.buffer, this.#layout.starts, window.width);
    for (let i = 0; i < window.width; i++) starts[i] = (table.starts[window.x + i] - this.#columns.first) * channels;
    this.#bytes.set(packedWeights(table, window.x, window.width), this.#layout.horizontalWeights);
  }
}

function layOut({ horizontal, vertical, verticalFirst, window, channels }: ResizeJob, columns: Range): Layout {
  const horizontalPairs = pairsOf(horizontal);
  const verticalPairs = pairsOf(vertical);
  const columnCount = columns.end - columns.first;
  const middleBytes = verticalFirst ? columnCount * channels : window.width * 3;
  // all outputs read the same number of taps: those of weight zero may lie beyond the row
  const inputStride = align((columnCount + horizontalPairs * 2) * channels + 16);
  const middleStride = align(middleBytes + 16);
  const outputStride = align(window.width * 3 + 16);
  const capacity = verticalPairs * 2 + ROWS + SLIDE_ROWS;
  const starts = 0;
  const horizontalWeights = align(starts + window.width * 4);
  const verticalWeights = align(horizontalWeights + window.width * horizontalPairs * 8);
  const input = align(verticalWeights + window.height * verticalPairs * 8);
  const middle = input + ROWS * inputStride;
  const output = middle + (capacity + ROWS) * middleStride;
  const end = output + ROWS * outputStride;
  // biome-ignore format: one line of names
  return { starts, horizontalWeights, verticalWeights, input, inputStride, middle, middleStride, middleBytes, capacity, output, outputStride, end };
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
