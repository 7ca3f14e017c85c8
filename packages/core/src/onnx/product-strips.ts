/**
 * 8-bit products of a decoder with their weights in strips of a few columns, for WebAssembly. For one token there, ONNX
 * Runtime spends its time on widening weights to 16 bits: blocks of 128 rows by 128 columns, again for every run. In a
 * large matrix each row of a block lies on a page of its own, and a widened block fills the first-level cache. A strip
 * lies in one piece, and its blocks are small: up to twice as many weights in the same time.
 *
 * A product [batch, rows, in] x [in, out] becomes one with [strips, 1, in, columns], a Transpose and a Reshape: the same
 * integers. References: onnx.proto3; MatMulInteger, and DynamicQuantizeMatMul of ONNX Runtime.
 */
import type { RandomAccess } from '../platform.js';
import { ATTRIBUTE, GRAPH, INT64, MODEL, NODE, TENSOR, VALUE_INFO } from './fields.js';
import { NotUnderstood } from './not-understood.js';
import { assemble, message, numberField, type Piece, sizeOf, textField } from './pieces.js';
import { type Field, NotProtobuf, ProtobufReader, type Range } from './protobuf.js';
import { readTensor, type Tensor } from './tensor.js';

/** Columns of a strip, the first that divides them: a block of it and the same widened have 12 kB. */
const WIDTHS = [32, 16, 8];
/** Bytes of weights: fewer gain less than two more nodes take. */
const LEAST_BYTES = 1 << 19;
/** Where a product has what it has for each column: scales and zero points. */
const COLUMN_INPUTS: Record<string, number[]> = { MatMulInteger: [3], DynamicQuantizeMatMul: [2, 3] };
const MOST_INPUTS = 4; // a fifth is a bias
const SHAPE = 'mclip/strips/shape';
const INTS = 7; // AttributeProto.type

interface Weights {
  raw: Range;
  rows: number;
  columns: number;
  /** Columns of a strip. */
  width: number;
}

interface Node {
  fields: Field[];
  op: string;
  inputs: string[];
  output: string;
}

/** Reads the file once; null when nothing can be gained. */
export async function productsInStrips(file: RandomAccess): Promise<Uint8Array<ArrayBuffer> | null> {
  const reader = new ProtobufReader(file);
  try {
    const fields = await reader.fields({ start: 0, end: file.size });
    const graphs = fields.filter(({ number }) => number === MODEL.graph);
    if (graphs.length !== 1) return null;
    const weights: Weights[] = [];
    const graph = await graphInStrips(reader, graphs[0]!, weights);
    if (weights.length === 0) return null;
    const pieces = fields.flatMap((field) => (field === graphs[0] ? message(MODEL.graph, graph) : [whole(field)]));
    const bytes = await assemble(file, pieces);
    for (const one of weights) reorder(bytes, sizeOf(pieces.slice(0, pieces.indexOf(one.raw))), one);
    return bytes;
  } catch (error) {
    if (error instanceof NotProtobuf || error instanceof NotUnderstood) return null;
    throw error;
  }
}

/** The content of the graph; `weights` are those whose values are to be reordered. */
async function graphInStrips(reader: ProtobufReader, graph: Range, weights: Weights[]): Promise<Piece[]> {
  const fields = await reader.fields(graph);
  const nodes = new Map<Field, Node>();
  const tensors = new Map<string, { field: Field; tensor: Tensor }>();
  const ends: string[] = [];
  for (const field of fields) {
    if (field.number === GRAPH.node) {
      nodes.set(field, await readNode(reader, field));
    } else if (field.number === GRAPH.initializer) {
      const tensor = await readTensor(reader, field);
      tensors.set(tensor.name, { field, tensor });
    } else if (field.number === GRAPH.input || field.number === GRAPH.output) {
      ends.push(await textOf(reader, await reader.fields(field), VALUE_INFO.name));
    }
  }
  if (!ends.includes('inputs_embeds')) return []; // values of other graphs need not be [batch, rows, width]
  const uses = new Map<string, number>();
  for (const name of [...ends, ...[...nodes.values()].flatMap(({ inputs }) => inputs)]) {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  }

  const replaced = new Map<Field, Piece[]>();
  for (const [field, node] of nodes) {
    const stripped = inStrips(node);
    if (stripped !== null) replaced.set(field, stripped);
  }
  return [...fields.flatMap((field) => replaced.get(field) ?? [whole(field)]), ...shapeOfRows()];

  /** The nodes instead of a product, null for one that stays. */
  function inStrips({ fields, op, inputs, output }: Node): Piece[] | null {
    const columnInputs = COLUMN_INPUTS[op];
    const weight = onlyHere(inputs[1]);
    if (columnInputs === undefined || weight?.tensor.raw === undefined || inputs.length > MOST_INPUTS) return null;
    const { dims, raw, count } = weight.tensor;
    const [rows = 0, columns = 0] = dims;
    const width = WIDTHS.find((width) => columns % width === 0);
    if (dims.length !== 2 || width === undefined || count < LEAST_BYTES || raw.end - raw.start !== count) return null;
    const strips = columns / width;
    const reshaped: [Field, Piece[]][] = [[weight.field, withDims(weight.tensor, [strips, 1, rows, width])]];
    for (const name of columnInputs.map((place) => inputs[place])) {
      if (!name || tensors.get(name)?.tensor.count === 1) continue;
      const perColumn = onlyHere(name);
      if (perColumn?.tensor.dims.join() !== `${columns}`) return null;
      reshaped.push([perColumn.field, withDims(perColumn.tensor, [strips, 1, 1, width])]);
    }
    for (const [field, tensor] of reshaped) replaced.set(field, tensor);
    weights.push({ raw, rows, columns, width });
    const product = fields.flatMap((field) =>
      field.number === NODE.output ? textField(NODE.output, `${output}/strips`) : [whole(field)],
    );
    return [
      ...message(GRAPH.node, product), // [strips, batch, rows, width]
      ...newNode('Transpose', [`${output}/strips`], `${output}/rows`, permutation([1, 2, 0, 3])),
      ...newNode('Reshape', [`${output}/rows`, SHAPE], output, []),
    ];
  }

  /** A weight that nothing else reads. */
  function onlyHere(name: string | undefined) {
    return name !== undefined && uses.get(name) === 1 ? tensors.get(name) : undefined;
  }
}

const whole = ({ from, end }: Field): Range => ({ start: from, end });

/** @throws {NotUnderstood} of a node with graphs in it, which may read any weight. */
async function readNode(reader: ProtobufReader, node: Range): Promise<Node> {
  const fields = await reader.fields(node);
  const op = await textOf(reader, fields, NODE.opType);
  const inputs: string[] = [];
  for (const field of fields) {
    if (field.number === NODE.input) inputs.push(await reader.text(field));
    if (field.number !== NODE.attribute) continue;
    const parts = await reader.fields(field);
    if (parts.some(({ number }) => number === ATTRIBUTE.g || number === ATTRIBUTE.graphs)) throw new NotUnderstood(op);
  }
  return { fields, op, inputs, output: await textOf(reader, fields, NODE.output) };
}

async function textOf(reader: ProtobufReader, fields: Field[], number: number): Promise<string> {
  const field = fields.find((field) => field.number === number);
  return field === undefined ? '' : reader.text(field);
}

function withDims({ fields, raw }: Tensor, dims: number[]): Piece[] {
  const others = fields.filter((field) => field !== raw && field.number !== TENSOR.dims).map(whole);
  const values = raw === undefined ? [] : message(TENSOR.rawData, [raw]);
  return message(GRAPH.initializer, [...dims.map((dim) => numberField(TENSOR.dims, dim)), ...others, ...values]);
}

function newNode(op: string, inputs: string[], output: string, attributes: Piece[]): Piece[] {
  return message(GRAPH.node, [
    ...inputs.flatMap((input) => textField(NODE.input, input)),
    ...textField(NODE.output, output),
    ...textField(NODE.opType, op),
    ...attributes,
  ]);
}

function permutation(axes: number[]): Piece[] {
  return message(NODE.attribute, [
    ...textField(ATTRIBUTE.name, 'perm'),
    ...axes.map((axis) => numberField(ATTRIBUTE.ints, axis)),
    numberField(ATTRIBUTE.type, INTS),
  ]);
}

/** What Reshape takes: batch and rows as they are, the strips joined. */
function shapeOfRows(): Piece[] {
  return message(GRAPH.initializer, [
    numberField(TENSOR.dims, 3),
    numberField(TENSOR.dataType, INT64),
    ...textField(TENSOR.name, SHAPE),
    ...message(TENSOR.rawData, [new Uint8Array(BigInt64Array.of(0n, 0n, -1n).buffer)]),
  ]);
}

/** [rows, columns] -> [strips, rows, width], where they lie. */
function reorder(bytes: Uint8Array, place: number, { rows, columns, width }: Weights): void {
  // four bytes at a time: they are aligned in copies
  const from = new Int32Array(bytes.slice(place, place + rows * columns).buffer);
  const strip = new Int32Array((rows * width) / 4);
  const stripBytes = new Uint8Array(strip.buffer);
  const [wordsOfRow, words] = [columns / 4, width / 4];
  for (let first = 0; first < wordsOfRow; first += words, place += stripBytes.length) {
    for (let row = 0, at = 0; row < rows; row++) {
      const start = row * wordsOfRow + first;
      for (let word = 0; word < words; word++) strip[at++] = from[start + word]!;
    }
    bytes.set(stripBytes, place);
  }
}
