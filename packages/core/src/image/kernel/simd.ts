/**
 * The resize with the WebAssembly SIMD passes of resize.as.ts. Rows of the picture are copied into wasm memory a few at
 * a time and a sliding window of them is kept there, so memory stays small and in cache.
 * Gives way (null) where WebAssembly SIMD is missing or forbidden, and to jobs that would need too much memory.
 */
import type { Coefficients } from '../coefficients.js';
import { copyCanvasRow, inputRange, type Range, type ResizeJob } from './job.js';
import { WASM_BASE64 } from './wasm.js';

/** Arguments are byte offsets into `memory`, strides in bytes, and counts. */
interface Kernel {
  readonly memory: WebAssembly.Memory;
  readonly horizontal4: (
    rows: number,
    rowStride: number,
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

let kernel: Kernel | null | undefined;
const packed = new WeakMap<Coefficients, Int16Array>();

/** The window of the resized canvas [window.height * window.width * 3], or null when this kernel cannot make it. */
export function resizeSimd(job: ResizeJob): Uint8Array | null {
  const wasm = loadKernel();
  if (wasm === null) return null;
  const columns = inputRange(job.horizontal, job.window.x, job.window.width);
  const layout = layOut(job, columns);
  return reserve(wasm.memory, layout.end) ? new SimdResize(wasm, job, columns, layout).run() : null;
}

/** One resize under way. */
class SimdResize {
  readonly #bytes: Uint8Array;
  readonly #rowsEnd: number;
  /** Canvas row at the start of the sliding window. */
  #base: number;
  /** First canvas row that is not in it yet. */
  #filled: number;

  constructor(
    readonly wasm: Kernel,
    readonly job: ResizeJob,
    readonly columns: Range,
    readonly layout: Layout,
  ) {
    const rows = inputRange(job.vertical, job.window.y, job.window.height);
    this.#bytes = new Uint8Array(wasm.memory.buffer);
    this.#rowsEnd = rows.end;
    this.#base = this.#filled = rows.first;
  }

  run(): Uint8Array {
    const { wasm, job, layout } = this;
    const { horizontal, vertical, window } = job;
    const { middleStride, middleBytes, input, inputStride, output, outputStride } = layout;
    if (horizontal !== null) this.#writeHorizontal(horizontal);
    if (vertical !== null) this.#bytes.set(packedWeights(vertical, window.y, window.height), layout.verticalWeights);

    const rowBytes = window.width * 3;
    const result = new Uint8Array(rowBytes * window.height);
    const horizontalLast = horizontal !== null && job.verticalFirst;
    // what the vertical pass gives is either the result or goes through the horizontal pass, four rows at a time
    const target = horizontalLast ? input : output;
    const targetStride = horizontalLast ? inputStride : outputStride;
    for (let i = 0; i < window.height; i += ROWS) {
      const count = Math.min(ROWS, window.height - i);
      for (let j = 0; j < count; j++) {
        if (vertical === null) {
          const row = this.#rows(window.y + i + j, window.y + i + j + 1);
          this.#bytes.copyWithin(target + j * targetStride, row, row + middleBytes);
        } else {
          const y = window.y + i + j;
          const row = this.#rows(vertical.starts[y], vertical.starts[y] + vertical.counts[y]);
          const weights = layout.verticalWeights + (i + j) * pairsOf(vertical) * 8;
          const pairs = (vertical.counts[y] + 1) >> 1;
          wasm.vertical(row, middleStride, weights, pairs, middleBytes, target + j * targetStride);
        }
      }
      if (horizontalLast) this.#horizontal4(output, outputStride);
      for (let j = 0, from = output; j < count; j++, from += outputStride) {
        result.set(this.#bytes.subarray(from, from + rowBytes), (i + j) * rowBytes);
      }
    }
    return result;
  }

  /** Offset of canvas row `start` in the window, which then holds the rows up to `end`. Calls never go back. */
  #rows(start: number, end: number): number {
    const { middle, middleStride, capacity } = this.layout;
    while (this.#filled < end) {
      if (this.#filled + ROWS - this.#base > capacity) {
        const first = middle + (start - this.#base) * middleStride;
        this.#bytes.copyWithin(middle, first, middle + (this.#filled - this.#base) * middleStride);
        this.#base = start;
      }
      this.#fillRows(middle + (this.#filled - this.#base) * middleStride);
    }
    return middle + (start - this.#base) * middleStride;
  }

  /** Brings the next rows of the canvas, `ROWS` at most, into the window. */
  #fillRows(target: number): void {
    const { job, columns, layout } = this;
    const first = this.#filled;
    const end = Math.min(first + ROWS, this.#rowsEnd);
    const horizontalFirst = job.horizontal !== null && !job.verticalFirst;
    const offset = horizontalFirst ? layout.input : target;
    const stride = horizontalFirst ? layout.inputStride : layout.middleStride;
    for (let y = first; y < end; y++) copyCanvasRow(job, y, columns, this.#bytes, offset + (y - first) * stride);
    if (horizontalFirst) this.#horizontal4(target, layout.middleStride);
    this.#filled = end;
  }

  #horizontal4(target: number, targetStride: number): void {
    const { input, inputStride, starts, horizontalWeights } = this.layout;
    const { horizontal, window } = this.job;
    const pairs = pairsOf(horizontal);
    this.wasm.horizontal4(input, inputStride, starts, horizontalWeights, pairs, window.width, target, targetStride);
  }

  #writeHorizontal(table: Coefficients): void {
    const { x, width } = this.job.window;
    const starts = new Int32Array(this.#bytes.buffer, this.layout.starts, width);
    for (let i = 0; i < width; i++) starts[i] = (table.starts[x + i] - this.columns.first) * 3;
    this.#bytes.set(packedWeights(table, x, width), this.layout.horizontalWeights);
  }
}

function layOut({ horizontal, vertical, verticalFirst, window }: ResizeJob, columns: Range): Layout {
  const horizontalPairs = pairsOf(horizontal);
  const verticalPairs = pairsOf(vertical);
  const columnCount = columns.end - columns.first;
  const middleBytes = (verticalFirst ? columnCount : window.width) * 3;
  // all outputs read the same number of taps: those of weight zero may lie beyond the row
  const inputStride = align((columnCount + horizontalPairs * 2) * 3 + 16);
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

function reserve(memory: WebAssembly.Memory, bytes: number): boolean {
  if (bytes > MAX_MEMORY_BYTES) return false;
  const missing = bytes - memory.buffer.byteLength;
  try {
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    return true;
  } catch {
    return false; // out of memory
  }
}

/** Null, for good, without WebAssembly, without SIMD, or under a policy without `wasm-unsafe-eval`. */
function loadKernel(): Kernel | null {
  if (kernel !== undefined) return kernel;
  try {
    const code = Uint8Array.from(atob(WASM_BASE64), (char) => char.charCodeAt(0));
    kernel = new WebAssembly.Instance(new WebAssembly.Module(code)).exports as unknown as Kernel;
  } catch {
    kernel = null;
  }
  return kernel;
}

function align(offset: number): number {
  return (offset + 15) & -16;
}
