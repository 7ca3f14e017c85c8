/**
 * Token embeddings as what they are, a look-up: rows are read where they lie (disk, blob, memory) and the table, the
 * largest file of a small language model, is never loaded as a whole.
 */

import { MclipError } from '../errors.js';
import { fromHalves } from '../half.js';
import type { RandomAccess } from '../platform.js';
import type { RowDtype } from './vlm-manifest.js';

export interface EmbeddingRows {
  /** The embeddings of `ids`, one row of `hidden` values each, into `target` from row `firstRow` on. */
  read(ids: readonly number[], target: Float32Array, firstRow: number): Promise<void>;
  dispose(): Promise<void>;
}

export interface TableLayout {
  dtype: RowDtype;
  rows: number;
  hidden: number;
  /** Of the first row, bytes from the beginning of the file. */
  offset: number;
}

const BYTES_PER_VALUE: Record<RowDtype, number> = { fp32: 4, fp16: 2, q8: 1 };
/** Of a `q8` row's scale. */
const SCALE_BYTES = 4;
/** A few megabytes: of words that come again and again. To read a row from a browser's disk takes half a millisecond. */
const KEPT_ROWS = 2048;

/** Rows of a file. */
export class TableRows implements EmbeddingRows {
  /** As they are stored, by id. */
  readonly #kept = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly #file: RandomAccess;
  readonly #layout: TableLayout;
  readonly #rowBytes: number;

  /** @throws {MclipError} `MODEL_CORRUPT` when the file is too short for its rows. */
  constructor(file: RandomAccess, layout: TableLayout) {
    this.#file = file;
    this.#layout = layout;
    this.#rowBytes = layout.hidden * BYTES_PER_VALUE[layout.dtype] + (layout.dtype === 'q8' ? SCALE_BYTES : 0);
    const expected = layout.offset + layout.rows * this.#rowBytes;
    if (file.size < expected) {
      throw new MclipError('MODEL_CORRUPT', `The embedding table has ${file.size} bytes, its rows take ${expected}.`);
    }
  }

  async read(ids: readonly number[], target: Float32Array, firstRow: number): Promise<void> {
    const { rows, hidden, dtype } = this.#layout;
    for (const id of ids) {
      if (id >= rows) throw new MclipError('MODEL_CORRUPT', `Token ${id} is beyond the ${rows} rows of the table.`);
    }
    const stored = await Promise.all(ids.map((id) => this.#row(id)));
    stored.forEach((row, index) => {
      const at = (firstRow + index) * hidden;
      if (dtype === 'q8') scaleRow(row, target, at);
      else if (dtype === 'fp16') fromHalves(new Uint16Array(row.buffer), target, at);
      else target.set(new Float32Array(row.buffer), at);
    });
  }

  async #row(id: number): Promise<Uint8Array<ArrayBuffer>> {
    const kept = this.#kept.get(id);
    if (kept !== undefined) return kept;
    const row = new Uint8Array(this.#rowBytes);
    await this.#file.read(row, this.#layout.offset + id * this.#rowBytes);
    if (this.#kept.size >= KEPT_ROWS) this.#kept.clear();
    this.#kept.set(id, row);
    return row;
  }

  dispose(): Promise<void> {
    return this.#file.close();
  }
}

/** Closes the file when it is too short. */
export async function tableRows(file: RandomAccess, layout: TableLayout): Promise<EmbeddingRows> {
  try {
    return new TableRows(file, layout);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function scaleRow(row: Uint8Array, target: Float32Array, offset: number): void {
  const scale = new DataView(row.buffer).getFloat32(0, true);
  const values = new Int8Array(row.buffer, SCALE_BYTES);
  for (let i = 0; i < values.length; i++) target[offset + i] = values[i] * scale;
}
