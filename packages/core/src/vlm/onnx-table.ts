/**
 * Finds the embedding table inside a plain `embed_tokens*.onnx`, so that its rows can be read without loading it. Reads
 * a few bytes per field (protocol buffers, onnx.proto3: ModelProto.graph 7; GraphProto.node 1, initializer 5;
 * TensorProto.dims 1, data_type 2, raw_data 9; NodeProto.op_type 4). Anything but one table that is looked up and at
 * most cast is no such graph.
 */
import type { RandomAccess } from '../platform.js';
import type { TableLayout } from './embedding-rows.js';

const GRAPH = 7;
const NODE = 1;
const INITIALIZER = 5;
const OP_TYPE = 4;
const DIMS = 1;
const DATA_TYPE = 2;
const RAW_DATA = 9;

const ROW_DTYPE: Record<number, { dtype: 'fp32' | 'fp16'; bytes: number }> = {
  1: { dtype: 'fp32', bytes: 4 },
  10: { dtype: 'fp16', bytes: 2 },
};
const LOOK_UP = new Set(['Gather', 'Cast', 'Identity']);
/** Longest tag and length, each a varint. */
const HEADER_BYTES = 20;
/** More fields than any look-up graph has: a damaged file ends here. */
const MOST_FIELDS = 10_000;

interface Field {
  number: number;
  /** Of its content, bytes from the beginning of the file. */
  start: number;
  end: number;
  /** Of a number. */
  value: number;
}

/** Where the rows of `hidden` values lie, or null when the file is not such a graph. */
export async function findOnnxTable(file: RandomAccess, hidden: number): Promise<TableLayout | null> {
  const graph = (await fields(file, 0, file.size))?.find(({ number }) => number === GRAPH);
  const parts = graph && (await fields(file, graph.start, graph.end));
  if (parts == null) return null;
  for (const node of parts.filter(({ number }) => number === NODE)) {
    const op = (await fields(file, node.start, node.end))?.find(({ number }) => number === OP_TYPE);
    if (op === undefined || !LOOK_UP.has(await text(file, op))) return null;
  }
  const tables: TableLayout[] = [];
  for (const tensor of parts.filter(({ number }) => number === INITIALIZER)) {
    const table = await tableOf(file, tensor, hidden);
    if (table !== null) tables.push(table);
  }
  return tables.length === 1 ? tables[0]! : null;
}

async function tableOf(file: RandomAccess, tensor: Field, hidden: number): Promise<TableLayout | null> {
  const parts = await fields(file, tensor.start, tensor.end);
  if (parts === null) return null;
  const dims: number[] = [];
  for (const dim of parts.filter(({ number }) => number === DIMS)) {
    if (dim.start === dim.end) dims.push(dim.value);
    else dims.push(...(await packedNumbers(file, dim)));
  }
  const type = ROW_DTYPE[parts.find(({ number }) => number === DATA_TYPE)?.value ?? 0];
  const data = parts.find(({ number }) => number === RAW_DATA);
  const [rows, width] = dims;
  if (dims.length !== 2 || width !== hidden || type === undefined || data === undefined) return null;
  if (data.end - data.start !== rows! * hidden * type.bytes) return null;
  return { dtype: type.dtype, rows: rows!, hidden, offset: data.start };
}

/** The fields of a message, without their content; null for what is no message. */
async function fields(file: RandomAccess, start: number, end: number): Promise<Field[] | null> {
  const found: Field[] = [];
  for (let at = start; at < end; ) {
    const header = new Uint8Array(Math.min(HEADER_BYTES, end - at));
    await file.read(header, at);
    const tag = varint(header, 0);
    if (tag === null || found.length === MOST_FIELDS) return null;
    const number = Math.floor(tag.value / 8);
    const wireType = tag.value % 8;
    let length: number;
    let value = 0;
    let begin = at + tag.size;
    if (wireType === 0 || wireType === 2) {
      const next = varint(header, tag.size);
      if (next === null) return null;
      begin += next.size;
      value = next.value;
      length = wireType === 2 ? next.value : 0;
    } else if (wireType === 1 || wireType === 5) {
      length = wireType === 1 ? 8 : 4;
    } else {
      return null;
    }
    if (begin + length > end) return null;
    found.push({ number, start: begin, end: begin + length, value });
    at = begin + length;
  }
  return found;
}

function varint(bytes: Uint8Array, at: number): { value: number; size: number } | null {
  let value = 0;
  for (let size = 1; size <= 10 && at + size <= bytes.length; size++) {
    const byte = bytes[at + size - 1];
    value += (byte & 0x7f) * 2 ** (7 * (size - 1));
    if (byte < 0x80) return { value, size };
  }
  return null;
}

async function packedNumbers(file: RandomAccess, { start, end }: Field): Promise<number[]> {
  const bytes = new Uint8Array(Math.min(end - start, 64)); // dims are few and short
  await file.read(bytes, start);
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = varint(bytes, at);
    if (next === null) break;
    numbers.push(next.value);
    at += next.size;
  }
  return numbers;
}

async function text(file: RandomAccess, { start, end }: Field): Promise<string> {
  const bytes = new Uint8Array(Math.min(end - start, 64));
  await file.read(bytes, start);
  return String.fromCharCode(...bytes);
}
