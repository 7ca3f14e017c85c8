import type { ModelFile, Runtime, SessionOptions } from '../platform.js';
import { type EmbeddingRows, tableRows } from './embedding-rows.js';
import type { RowDtype, VlmManifest } from './vlm-manifest.js';

/** A table of raw rows, or a graph that looks them up. */
export type RowsFile = { file: ModelFile; dtype: RowDtype } | { graph: ModelFile };

/** Rows are read where they lie; only a graph that is more than a look-up is run. */
export async function openRows(
  runtime: Runtime,
  { decoder, embedding }: VlmManifest,
  rows: RowsFile,
  options: SessionOptions,
): Promise<EmbeddingRows> {
  const { hidden } = decoder;
  if ('graph' in rows) {
    const { openGraphRows } = await import('./graph-rows.js'); // not for models of our own layout
    return openGraphRows(runtime, hidden, rows.graph, options);
  }
  const file = await runtime.openFile(rows.file);
  return tableRows(file, { dtype: rows.dtype, rows: embedding!.rows, hidden, offset: 0 });
}
