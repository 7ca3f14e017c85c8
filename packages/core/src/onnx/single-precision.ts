/**
 * Half-precision graphs at the speed of single precision. CPUs of today mostly have no half-precision arithmetic, and
 * ONNX Runtime computes such a graph with two conversions around every operator. Here the weights stay as they are, each
 * behind a `Cast` that ONNX Runtime computes once when it makes the session, and everything else is declared in single
 * precision: the download of the one form at the speed of the other. Reference: onnx.proto3.
 *
 * A graph with something in it that is not understood is left alone as a whole.
 */
import type { RandomAccess } from '../platform.js';
import { MODEL, OPSET } from './fields.js';
import { type Widening, widenGraph } from './graph.js';
import { NotUnderstood } from './not-understood.js';
import { isStandard, NEWEST_OPSET } from './operators.js';
import { assemble, message } from './pieces.js';
import { type Field, NotProtobuf, ProtobufReader } from './protobuf.js';

export interface WidenedGraph {
  graph: Uint8Array<ArrayBuffer>;
  /** Of further weights, as the graph names them. */
  externalFiles: string[];
}

export type SinglePrecision =
  | WidenedGraph
  /** Why the file is to be used as it is. */
  | { unchanged: string };

export const IS_SINGLE = 'it computes in single precision already';

/**
 * Reads the file once. Holds the new file and a few megabytes; the file itself may be open on a disk.
 *
 * @throws what reading the file throws
 */
export async function toSinglePrecision(file: RandomAccess): Promise<SinglePrecision> {
  const reader = new ProtobufReader(file);
  try {
    const model: Widening = { reader, used: new Set(), externalFiles: new Set(), names: new Set(), coined: new Set() };
    const fields = await reader.fields({ start: 0, end: file.size });
    await checkModel(reader, fields);
    const graph = fields.find(({ number }) => number === MODEL.graph)!;
    const widened = await widenGraph(model, graph);
    if (widened === null) return { unchanged: IS_SINGLE };
    for (const name of model.coined) if (model.names.has(name)) throw new NotUnderstood(`a value named ${name}`);
    const pieces = fields.flatMap((field) =>
      field === graph ? message(MODEL.graph, widened) : [{ start: field.from, end: field.end }],
    );
    return { graph: await assemble(file, pieces), externalFiles: [...model.externalFiles] };
  } catch (error) {
    if (error instanceof NotUnderstood) return { unchanged: `it has ${error.message}` };
    if (error instanceof NotProtobuf) return { unchanged: 'it is no ONNX file' };
    throw error;
  }
}

async function checkModel(reader: ProtobufReader, fields: Field[]): Promise<void> {
  const all = (wanted: number) => fields.filter(({ number }) => number === wanted);
  if (all(MODEL.graph).length !== 1) throw new NotProtobuf('no graph, or several');
  if (all(MODEL.functions).length > 0) throw new NotUnderstood('functions of its own');
  if (all(MODEL.trainingInfo).length > 0) throw new NotUnderstood('training steps');
  let standard = 0;
  for (const opset of all(MODEL.opsetImport)) {
    const parts = await reader.fields(opset);
    const domain = parts.find(({ number }) => number === OPSET.domain);
    if (domain === undefined || isStandard(await reader.text(domain))) {
      standard = parts.find(({ number }) => number === OPSET.version)?.value ?? 0;
    }
  }
  if (standard < 1 || standard > NEWEST_OPSET) throw new NotUnderstood(`operators of version ${standard}`);
}
