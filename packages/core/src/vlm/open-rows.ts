import type { ModelFile, Runtime, SessionOptions } from '../platform.js';
import { type EmbeddingRows, GraphRows, TableRows } from './embedding-rows.js';
import { findOnnxTable } from './onnx-table.js';
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
  const file = await runtime.openFile('graph' in rows ? rows.graph : rows.file);
  try {
    const layout =
      'graph' in rows
        ? await findOnnxTable(file, decoder.hidden)
        : { dtype: rows.dtype, rows: embedding!.rows, hidden: decoder.hidden, offset: 0 };
    if (layout !== null) return new TableRows(file, layout);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return new GraphRows(await runtime.createSession((rows as { graph: ModelFile }).graph, options), decoder.hidden);
}
