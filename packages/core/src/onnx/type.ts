/** Declared types of a graph's values: half precision becomes single. */
import { ELEMENT, FLOAT, FLOAT16, MAP_VALUE, TYPE, VALUE_INFO } from './fields.js';
import { message, numberField, type Piece } from './pieces.js';
import type { ProtobufReader, Range } from './protobuf.js';
import { replaceFields } from './replace-fields.js';

/** The content of a ValueInfoProto, null when nothing in it is in half precision. */
export function widenValueInfo(reader: ProtobufReader, info: Range): Promise<Piece[] | null> {
  return replaceFields(reader, info, async (field) => {
    if (field.number !== VALUE_INFO.type) return null;
    const type = await widenType(reader, field);
    return type && message(field.number, type);
  });
}

/** The content of a TypeProto, null when nothing in it is in half precision. */
export function widenType(reader: ProtobufReader, type: Range): Promise<Piece[] | null> {
  return replaceFields(reader, type, async (field) => {
    const content = await widenContent(reader, field.number, field);
    return content && message(field.number, content);
  });
}

async function widenContent(reader: ProtobufReader, kind: number, content: Range): Promise<Piece[] | null> {
  switch (kind) {
    case TYPE.tensor:
    case TYPE.sparseTensor:
      return replaceFields(reader, content, async ({ number, value }) =>
        number === ELEMENT && value === FLOAT16 ? [numberField(ELEMENT, FLOAT)] : null,
      );
    case TYPE.sequence:
    case TYPE.optional:
    case TYPE.map: {
      const inner = kind === TYPE.map ? MAP_VALUE : ELEMENT;
      return replaceFields(reader, content, async (field) => {
        if (field.number !== inner) return null;
        const type = await widenType(reader, field);
        return type && message(inner, type);
      });
    }
    default:
      return null;
  }
}
