/**
 * Graphs whose weights stay in their file. ONNX Runtime reads a model's file as a whole, copies its weights out of what
 * it read and, for most kernels, copies them once more in their layout. Weights that a graph names as bytes of a file it
 * maps instead, and unmaps once they are in that layout. So of a file there is made its graph, each large weight replaced
 * by where it lies in that very file. Reference: onnx.proto3, `TensorProto.external_data`.
 */
import type { RandomAccess } from '../platform.js';
import { ENTRY, GRAPH, MODEL, TENSOR } from './fields.js';
import { assemble, message, numberField, type Piece, sizeOf, textField } from './pieces.js';
import { type Field, NotProtobuf, ProtobufReader } from './protobuf.js';
import { replaceFields } from './replace-fields.js';

/** A smaller weight costs less as a copy than as a mapping, which is of whole pages. */
const LEAST_BYTES = 1 << 14;
/** Of the file: a graph with more left in it would be held as a whole beside its copies, when the file is only read. */
const MOST_LEFT = 1 / 4;
/** Bytes of a value by TensorProto.DataType. Mapped values must lie where their type may lie; those of others stay. */
const VALUE_BYTES: Record<number, number> = { 1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2 };
const EXTERNAL = 1;

/**
 * @param name of the file, as the graph will name it
 * @returns the graph, or null for a file that is better taken as it is: no ONNX, with weights in further files, or with
 * too much that cannot be mapped
 * @throws what reading the file throws
 */
export async function detachWeights(file: RandomAccess, name: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const reader = new ProtobufReader(file);
  const location = String.fromCharCode(...new TextEncoder().encode(name));
  let isSplit = false;
  const detached = async (tensor: Field): Promise<Piece[] | null> => {
    const fields = await reader.fields(tensor);
    const last = (number: number) => fields.findLast((field) => field.number === number);
    isSplit ||= last(TENSOR.dataLocation)?.value === EXTERNAL;
    const raw = last(TENSOR.rawData);
    if (raw === undefined || raw.end - raw.start < LEAST_BYTES) return null;
    const valueBytes = VALUE_BYTES[last(TENSOR.dataType)?.value ?? 0];
    if (valueBytes === undefined || raw.start % valueBytes !== 0) return null;
    return [
      ...fields.filter((field) => field !== raw).map(({ from, end }) => ({ start: from, end })),
      ...entry('location', location),
      ...entry('offset', `${raw.start}`),
      ...entry('length', `${raw.end - raw.start}`),
      numberField(TENSOR.dataLocation, EXTERNAL),
    ];
  };
  try {
    const model = await replaceFields(reader, { start: 0, end: file.size }, async (field) => {
      if (field.number !== MODEL.graph) return null;
      const graph = await replaceFields(reader, field, async (part) => {
        const tensor = part.number === GRAPH.initializer ? await detached(part) : null;
        return tensor && message(GRAPH.initializer, tensor);
      });
      return graph && message(MODEL.graph, graph);
    });
    if (model === null || isSplit || sizeOf(model) > file.size * MOST_LEFT) return null;
    return await assemble(file, model);
  } catch (error) {
    if (error instanceof NotProtobuf) return null;
    throw error;
  }
}

function entry(key: string, value: string): Piece[] {
  return message(TENSOR.externalData, [...textField(ENTRY.key, key), ...textField(ENTRY.value, value)]);
}
