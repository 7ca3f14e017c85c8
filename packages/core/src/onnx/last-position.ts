/**
 * Graphs made to compute the last position of an output only. Decoders of public repositories give the logits of every
 * position of a prompt, of which one is looked at: for FastVLM-0.5B and 280 tokens that is a quarter of the prompt's time
 * and 160 MB. Here the input of the product that makes them is cut to its last position before it. Everything between
 * that product and the output works on each position alone, or the graph is left as it is. Reference: onnx.proto3.
 */
import type { RandomAccess } from '../platform.js';
import { ATTRIBUTE, DIM, GRAPH, INT64, MODEL, NODE, SHAPE, TENSOR, TENSOR_TYPE, TYPE, VALUE_INFO } from './fields.js';
import { NotUnderstood } from './not-understood.js';
import { message, numberField, type Piece, PiecedFile, textField } from './pieces.js';
import { type Field, NotProtobuf, ProtobufReader, type Range } from './protobuf.js';
import { replaceFields } from './replace-fields.js';
import { readTensor } from './tensor.js';

/** Of a value [batch, positions, in] and a weight: [batch, positions, out]. */
const PRODUCTS = new Set(['MatMul', 'MatMulNBits', 'MatMulBnb4', 'MatMulInteger', 'DynamicQuantizeMatMul']);
/** Between a product and the output. */
const ON_EACH_VALUE = new Set(['Add', 'Cast', 'Div', 'Identity', 'Mul', 'Sub']);
/** Before a product in integers. Cut before it, the one position has a scale of its own, which is finer. */
const ROUNDED = 'DynamicQuantizeLinear';
/** Nodes from the output back to its product. */
const FARTHEST = 6;
/** Beyond the end of any axis. */
const END = 2n ** 62n;

interface Node {
  field: Field;
  op: string;
  inputs: string[];
  outputs: string[];
}

export interface CutFile {
  /** Reads from the one that was cut. */
  file: PiecedFile;
  /** Of weights, as the graph names them. */
  externalFiles: string[];
}

/**
 * @returns null for a file that stays as it is: no ONNX, with one position already, or with an output that comes about in
 * another way
 * @throws what reading the file throws
 */
export async function lastPositionOnly(file: RandomAccess, output: string): Promise<CutFile | null> {
  const reader = new ProtobufReader(file);
  const externalFiles = new Set<string>();
  try {
    const model = await replaceFields(reader, { start: 0, end: file.size }, async (field) => {
      const graph = field.number === MODEL.graph ? await cutGraph(reader, field, output, externalFiles) : null;
      return graph && message(MODEL.graph, graph);
    });
    return model && { file: new PiecedFile(file, model), externalFiles: [...externalFiles] };
  } catch (error) {
    if (error instanceof NotProtobuf || error instanceof NotUnderstood) return null;
    throw error;
  }
}

async function cutGraph(
  reader: ProtobufReader,
  graph: Range,
  output: string,
  externalFiles: Set<string>,
): Promise<Piece[] | null> {
  const fields = await reader.fields(graph);
  const nodes: Node[] = [];
  const given = new Set<string>();
  let declared: Piece[] | null = null;
  for (const field of fields) {
    if (field.number === GRAPH.node) nodes.push(await readNode(reader, field));
    if (field.number === GRAPH.initializer) {
      const { externalFile } = await readTensor(reader, field);
      if (externalFile !== null) externalFiles.add(externalFile);
    }
    if (field.number !== GRAPH.output) continue;
    const name = await nameOf(reader, field);
    if (name === output) declared = await onePosition(reader, field);
    else given.add(name);
  }
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
  const way = wayFromProduct(producers, output, FARTHEST);
  if (declared === null || way === null) return null;
  const product = way[0]!;
  const rounding = producers.get(product.inputs[0]!);
  const isOwn =
    rounding?.op === ROUNDED && nodes.filter(({ inputs }) => inputs.includes(product.inputs[0]!)).length === 1;
  const first = isOwn ? rounding : product;
  const whole = first.inputs[0]!;
  const last = `${whole}/last position`;
  if (!producers.has(whole) || producers.has(last)) return null;

  const cut = new Set(way.flatMap(({ outputs }) => outputs));
  const others = nodes.filter((node) => !way.includes(node)).flatMap(({ inputs }) => inputs);
  if ([...given, ...others].some((value) => cut.has(value))) return null;
  const pieces: Piece[] = [];
  for (const field of fields) {
    if (field === first.field) {
      pieces.push(...slice(whole, last), ...(await withFirstInput(reader, field, last)));
    } else if (field.number === GRAPH.output && (await nameOf(reader, field)) === output) {
      pieces.push(...declared);
    } else if (field.number !== GRAPH.valueInfo || !cut.has(await nameOf(reader, field))) {
      pieces.push({ start: field.from, end: field.end });
    }
  }
  const places = { starts: -1n, ends: END, axes: 1n };
  const constants = Object.entries(places).flatMap(([name, place]) => constant(`${last}/${name}`, place));
  return [...pieces, ...constants];
}

/** The product that makes `value`, and the nodes from there to it; null when it comes about in another way. */
function wayFromProduct(producers: ReadonlyMap<string, Node>, value: string, farthest: number): Node[] | null {
  const node = producers.get(value);
  if (node === undefined || farthest === 0) return null;
  if (PRODUCTS.has(node.op)) return [node];
  if (!ON_EACH_VALUE.has(node.op)) return null;
  const inputs = node.inputs.filter((input) => !isForAllPositions(producers, input, farthest));
  const way = inputs.length === 1 ? wayFromProduct(producers, inputs[0]!, farthest - 1) : null;
  return way && [...way, node];
}

/** A weight, or what is computed of weights and of the scale that activations were rounded with. */
function isForAllPositions(producers: ReadonlyMap<string, Node>, value: string, farthest: number): boolean {
  const node = producers.get(value);
  if (node === undefined || node.op === 'Constant') return true;
  if (node.op === ROUNDED) return node.outputs.indexOf(value) > 0;
  if (!ON_EACH_VALUE.has(node.op) || farthest === 0) return false;
  return node.inputs.every((input) => isForAllPositions(producers, input, farthest - 1));
}

/** @throws {NotUnderstood} of a node with graphs in it, which may read any value. */
async function readNode(reader: ProtobufReader, field: Field): Promise<Node> {
  const node: Node = { field, op: '', inputs: [], outputs: [] };
  for (const part of await reader.fields(field)) {
    if (part.number === NODE.opType) node.op = await reader.text(part);
    if (part.number === NODE.input) node.inputs.push(await reader.text(part));
    if (part.number === NODE.output) node.outputs.push(await reader.text(part));
    if (part.number !== NODE.attribute) continue;
    const parts = await reader.fields(part);
    if (parts.some(({ number }) => number === ATTRIBUTE.g || number === ATTRIBUTE.graphs))
      throw new NotUnderstood(node.op);
  }
  return node;
}

async function nameOf(reader: ProtobufReader, info: Range): Promise<string> {
  const name = (await reader.fields(info)).find(({ number }) => number === VALUE_INFO.name);
  return name === undefined ? '' : reader.text(name);
}

/** A graph's output as declared, with one position; null when it has one already, or is not [batch, positions, values]. */
async function onePosition(reader: ProtobufReader, output: Range): Promise<Piece[] | null> {
  const within = (number: number, range: Range, replace: (range: Range) => Promise<Piece[] | null>) =>
    replaceFields(reader, range, async (field) => {
      const content = field.number === number ? await replace(field) : null;
      return content && message(number, content);
    });
  const content = await within(VALUE_INFO.type, output, (type) =>
    within(TYPE.tensor, type, (tensor) =>
      within(TENSOR_TYPE.shape, tensor, async (shape) => {
        const dims = (await reader.fields(shape)).filter(({ number }) => number === SHAPE.dim);
        const [known] = dims.length === 3 ? await reader.fields(dims[1]!) : [];
        if (dims.length !== 3 || (known?.number === DIM.value && known.value === 1)) return null;
        return dims.flatMap(({ from, end }, axis) =>
          axis === 1 ? message(SHAPE.dim, [numberField(DIM.value, 1)]) : [{ start: from, end }],
        );
      }),
    ),
  );
  return content && message(GRAPH.output, content);
}

function slice(from: string, to: string): Piece[] {
  const inputs = [from, ...['starts', 'ends', 'axes'].map((name) => `${to}/${name}`)];
  return message(GRAPH.node, [
    ...inputs.flatMap((input) => textField(NODE.input, input)),
    ...textField(NODE.output, to),
    ...textField(NODE.opType, 'Slice'),
  ]);
}

/** The same node with another value in the place of its first. */
async function withFirstInput(reader: ProtobufReader, node: Field, value: string): Promise<Piece[]> {
  const parts = await reader.fields(node);
  const first = parts.find(({ number }) => number === NODE.input);
  return message(
    GRAPH.node,
    parts.flatMap((part) => (part === first ? textField(NODE.input, value) : [{ start: part.from, end: part.end }])),
  );
}

/** int64 [1] */
function constant(name: string, value: bigint): Piece[] {
  return message(GRAPH.initializer, [
    numberField(TENSOR.dims, 1),
    numberField(TENSOR.dataType, INT64),
    ...textField(TENSOR.name, name),
    ...message(TENSOR.rawData, [new Uint8Array(BigInt64Array.of(value).buffer)]),
  ]);
}
