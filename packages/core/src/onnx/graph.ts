/** Graphs, and those inside of their nodes: what is declared or computed in half precision becomes single. */
import { ATTRIBUTE, FLOAT, FLOAT16, GRAPH, NODE } from './fields.js';
import { NotUnderstood } from './not-understood.js';
import { computesInSingle, TYPE_ATTRIBUTES } from './operators.js';
import { message, numberField, type Piece, textField } from './pieces.js';
import type { Field, ProtobufReader, Range } from './protobuf.js';
import { replaceFields } from './replace-fields.js';
import { readTensor, renamed, widened } from './tensor.js';
import { widenType, widenValueInfo } from './type.js';

/** Tensors up to this many values are widened in the file: a `Cast` would take as many bytes. */
const FEW_VALUES = 16;
const HALF_SUFFIX = '/half';
const DEEPEST = 16;

/** Of one model. */
export interface Widening {
  readonly reader: ProtobufReader;
  /** What nodes other than `Cast` take, and what graphs give, among it tensors that must be widened. */
  readonly used: Set<string>;
  /** Where weights lie that are not in the model's file. */
  readonly externalFiles: Set<string>;
  /** Names of weights and inputs as they were, and those that are new: of two weights of one name one would be lost. */
  readonly names: Set<string>;
  readonly coined: Set<string>;
}

/** The content of a GraphProto, null when nothing in it computes in half precision. */
export async function widenGraph(model: Widening, graph: Range, depth = 0): Promise<Piece[] | null> {
  if (depth > DEEPEST) throw new NotUnderstood(`graphs nested deeper than ${DEEPEST}`);
  const { reader } = model;
  const fields = await reader.fields(graph);
  const replaced = new Map<Field, Piece[] | null>();
  const inputs = new Set<string>();
  for (const field of fields) {
    if (field.number === GRAPH.node) {
      replaced.set(field, await widenNode(model, field, depth));
    } else if (field.number === GRAPH.input || field.number === GRAPH.output || field.number === GRAPH.valueInfo) {
      const name = await nameOf(reader, field);
      if (field.number === GRAPH.input) {
        inputs.add(name);
        model.names.add(name);
      }
      if (field.number === GRAPH.output) model.used.add(name);
      const content = await widenValueInfo(reader, field);
      replaced.set(field, content && message(field.number, content));
    } else if (field.number === GRAPH.sparseInitializer) {
      throw new NotUnderstood('a sparse tensor');
    }
  }
  // weights last: by now every node that takes them is known
  const casts: Piece[] = [];
  for (const field of fields.filter(({ number }) => number === GRAPH.initializer)) {
    const tensor = await readTensor(reader, field);
    model.names.add(tensor.name);
    if (tensor.externalFile !== null) model.externalFiles.add(tensor.externalFile);
    if (!tensor.isHalf || !model.used.has(tensor.name)) continue;
    if (inputs.has(tensor.name)) throw new NotUnderstood(`a weight that is an input too: ${tensor.name}`);
    if (tensor.count <= FEW_VALUES && tensor.externalFile === null) {
      replaced.set(field, message(GRAPH.initializer, await widened(reader, tensor)));
    } else {
      replaced.set(field, message(GRAPH.initializer, renamed(tensor, halfNameOf(model, tensor.name))));
      casts.push(...castNode(tensor.name));
    }
  }
  if (![...replaced.values()].some((pieces) => pieces !== null)) return null;
  return [...casts, ...fields.flatMap((field) => replaced.get(field) ?? [{ start: field.from, end: field.end }])];
}

function halfNameOf({ coined }: Widening, name: string): string {
  coined.add(name + HALF_SUFFIX);
  return name + HALF_SUFFIX;
}

/** From the half-precision tensor to what its name stands for now. ONNX Runtime computes it once, for the session. */
function castNode(name: string): Piece[] {
  const to = message(NODE.attribute, [
    ...textField(ATTRIBUTE.name, 'to'),
    numberField(ATTRIBUTE.i, FLOAT),
    numberField(ATTRIBUTE.type, 2), // INT
  ]);
  return message(GRAPH.node, [
    ...textField(NODE.input, name + HALF_SUFFIX),
    ...textField(NODE.output, name),
    ...textField(NODE.opType, 'Cast'),
    ...to,
  ]);
}

/** The node instead, or the node and a `Cast` after it; null when it stays. */
async function widenNode(model: Widening, node: Field, depth: number): Promise<Piece[] | null> {
  const { reader, used } = model;
  const fields = await reader.fields(node);
  const texts = (wanted: number) =>
    Promise.all(fields.filter(({ number }) => number === wanted).map((field) => reader.text(field)));
  const [op = ''] = await texts(NODE.opType);
  const [domain = ''] = await texts(NODE.domain);
  if (!computesInSingle(domain, op)) throw new NotUnderstood(`the operator ${domain && `${domain}.`}${op}`);
  if (op === 'Constant') for (const output of await texts(NODE.output)) model.names.add(output);
  if (op !== 'Cast') for (const input of await texts(NODE.input)) used.add(input);
  let weight: string | null = null; // of a Constant that is left in half precision
  const content = await replaceFields(reader, node, async (field) => {
    if (field.number === NODE.attribute) {
      const attribute = await widenAttribute(model, field, op, depth);
      if (attribute !== 'weight') return attribute && message(NODE.attribute, attribute);
      [weight = ''] = await texts(NODE.output);
    }
    return null;
  });
  if (weight === null) return content && message(GRAPH.node, content);
  const half = halfNameOf(model, weight);
  const halfConstant = fields.flatMap(({ number, from, end }): Piece[] =>
    number === NODE.output ? textField(NODE.output, half) : [{ start: from, end }],
  );
  return [...message(GRAPH.node, halfConstant), ...castNode(weight)];
}

/** The content of an AttributeProto, null when it stays, or 'weight' for a large half-precision tensor. */
async function widenAttribute(
  model: Widening,
  attribute: Range,
  op: string,
  depth: number,
): Promise<Piece[] | 'weight' | null> {
  const { reader } = model;
  const fields = await reader.fields(attribute);
  const name = fields.find(({ number }) => number === ATTRIBUTE.name);
  const namesType = name !== undefined && TYPE_ATTRIBUTES.has(await reader.text(name));
  let isWeight = false;
  const content = await replaceFields(reader, attribute, async (field) => {
    const { number, value } = field;
    switch (number) {
      case ATTRIBUTE.i:
        return namesType && value === FLOAT16 ? [numberField(number, FLOAT)] : null;
      case ATTRIBUTE.t:
      case ATTRIBUTE.tensors: {
        const tensor = await readTensor(reader, field);
        if (!tensor.isHalf) return null;
        const isKnown = number === ATTRIBUTE.t && (op === 'Constant' || op === 'ConstantOfShape');
        if (!isKnown || tensor.externalFile !== null) throw new NotUnderstood(`a half-precision attribute of ${op}`);
        if (op === 'Constant' && tensor.count > FEW_VALUES) {
          isWeight = true;
          return null;
        }
        return message(number, await widened(reader, tensor));
      }
      case ATTRIBUTE.g:
      case ATTRIBUTE.graphs: {
        const graph = await widenGraph(model, field, depth + 1);
        return graph && message(number, graph);
      }
      case ATTRIBUTE.tp:
      case ATTRIBUTE.typeProtos: {
        const type = await widenType(reader, field);
        return type && message(number, type);
      }
      case ATTRIBUTE.sparseTensor:
      case ATTRIBUTE.sparseTensors:
        throw new NotUnderstood('a sparse tensor');
      default:
        return null;
    }
  });
  return isWeight ? 'weight' : content;
}

async function nameOf(reader: ProtobufReader, valueInfo: Range): Promise<string> {
  const name = (await reader.fields(valueInfo)).find(({ number }) => number === 1);
  return name === undefined ? '' : reader.text(name);
}
