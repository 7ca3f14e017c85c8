/**
 * Finds the embedding table inside a plain `embed_tokens*.onnx`, so that its rows can be read without loading it. Reads
 * a few kilobytes around the table. Anything but one table that is looked up and at most cast is no such graph.
 */
import { FLOAT, FLOAT16, GRAPH, MODEL, NODE, TENSOR } from '../onnx/fields.js';
import { NotProtobuf, ProtobufReader, type Range } from '../onnx/protobuf.js';
import type { RandomAccess } from '../platform.js';
import type { TableLayout } from './embedding-rows.js';

const ROW_DTYPE: Record<number, { dtype: 'fp32' | 'fp16'; bytes: number }> = {
  [FLOAT]: { dtype: 'fp32', bytes: 4 },
  [FLOAT16]: { dtype: 'fp16', bytes: 2 },
};
const LOOK_UP = new Set(['Gather', 'Cast', 'Identity']);

/** Where the rows of `hidden` values lie, or null when the file is not such a graph. */
export async function findOnnxTable(file: RandomAccess, hidden: number): Promise<TableLayout | null> {
  try {
    return await findTable(new ProtobufReader(file), file.size, hidden);
  } catch (error) {
    if (error instanceof NotProtobuf) return null;
    throw error;
  }
}

async function findTable(reader: ProtobufReader, size: number, hidden: number): Promise<TableLayout | null> {
  const graph = (await reader.fields({ start: 0, end: size })).find(({ number }) => number === MODEL.graph);
  if (graph === undefined) return null;
  const parts = await reader.fields(graph);
  for (const node of parts.filter(({ number }) => number === GRAPH.node)) {
    const op = (await reader.fields(node)).find(({ number }) => number === NODE.opType);
    if (op === undefined || !LOOK_UP.has(await reader.text(op))) return null;
  }
  const tables: TableLayout[] = [];
  for (const tensor of parts.filter(({ number }) => number === GRAPH.initializer)) {
    const table = await tableOf(reader, tensor, hidden);
    if (table !== null) tables.push(table);
  }
  return tables.length === 1 ? tables[0]! : null;
}

async function tableOf(reader: ProtobufReader, tensor: Range, hidden: number): Promise<TableLayout | null> {
  const parts = await reader.fields(tensor);
  const dims: number[] = [];
  for (const dim of parts.filter(({ number }) => number === TENSOR.dims)) dims.push(...(await reader.numbers(dim)));
  const type = ROW_DTYPE[parts.find(({ number }) => number === TENSOR.dataType)?.value ?? 0];
  const data = parts.find(({ number }) => number === TENSOR.rawData);
  const [rows, width] = dims;
  if (dims.length !== 2 || width !== hidden || type === undefined || data === undefined) return null;
  if (data.end - data.start !== rows! * hidden * type.bytes) return null;
  return { dtype: type.dtype, rows: rows!, hidden, offset: data.start };
}
