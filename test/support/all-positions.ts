/** Decoders as public repositories have them: logits of all positions. Made of those that `tools/export` writes. */
import {
  GRAPH,
  MODEL,
  NODE,
  SHAPE,
  TENSOR,
  TENSOR_TYPE,
  TYPE,
  VALUE_INFO,
} from '../../packages/core/src/onnx/fields.js';
import { assemble, message, type Piece, textField } from '../../packages/core/src/onnx/pieces.js';
import { type Field, ProtobufReader, type Range } from '../../packages/core/src/onnx/protobuf.js';
import { replaceFields } from '../../packages/core/src/onnx/replace-fields.js';
import { bytesAsFile } from '../../packages/node/src/open-file.js';

/** The value that such a decoder cuts to its last position: cut from its beginning instead, it stays whole. */
export async function withAllPositions(bytes: Uint8Array): Promise<Buffer> {
  const file = bytesAsFile(bytes);
  const reader = new ProtobufReader(file);
  const [graph] = (await reader.fields({ start: 0, end: bytes.length })).filter(({ number }) => number === MODEL.graph);
  const fields = await reader.fields(graph!);
  const texts = async (range: Range, wanted: number) => {
    const parts = (await reader.fields(range)).filter(({ number }) => number === wanted);
    return Promise.all(parts.map((part) => reader.text(part)));
  };
  const starts = new Set<string>();
  for (const node of fields.filter(({ number }) => number === GRAPH.node)) {
    if ((await texts(node, NODE.opType))[0] === 'Slice') starts.add((await texts(node, NODE.input))[1]!);
  }
  const within = async (number: number, range: Range, replace: (field: Field) => Promise<Piece[] | null>) =>
    replaceFields(reader, range, async (field) => {
      const content = field.number === number ? await replace(field) : null;
      return content && message(number, content);
    });
  const anyLength = (shape: Range) => {
    let axis = 0;
    return within(SHAPE.dim, shape, async () => (axis++ === 1 ? textField(2, 'sequence') : null));
  };
  let changed = 0;
  const pieces = await within(MODEL.graph, { start: 0, end: bytes.length }, () =>
    replaceFields(reader, graph!, async (field) => {
      if (field.number === GRAPH.initializer && starts.has((await texts(field, TENSOR.name))[0]!)) {
        changed++;
        const zero = await within(TENSOR.rawData, field, async () => [new Uint8Array(8)]);
        return message(GRAPH.initializer, zero!);
      }
      if (field.number !== GRAPH.output || (await texts(field, VALUE_INFO.name))[0] !== 'logits') return null;
      changed++;
      const declared = await within(VALUE_INFO.type, field, (type) =>
        within(TYPE.tensor, type, (tensor) => within(TENSOR_TYPE.shape, tensor, anyLength)),
      );
      return message(GRAPH.output, declared!);
    }),
  );
  if (changed < 2) throw new Error('no decoder with the logits of the last position');
  return Buffer.from(await assemble(file, pieces!));
}
