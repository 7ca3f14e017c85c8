import type { Piece } from './pieces.js';
import type { Field, ProtobufReader, Range } from './protobuf.js';

/**
 * The content of a message with some of its fields replaced, null when none was. `replace` gives what stands instead of
 * a field, tag included, or null for a field that stays.
 */
export async function replaceFields(
  reader: ProtobufReader,
  range: Range,
  replace: (field: Field) => Promise<Piece[] | null>,
): Promise<Piece[] | null> {
  const pieces: Piece[] = [];
  let changed = false;
  for (const field of await reader.fields(range)) {
    const replaced = await replace(field);
    changed ||= replaced !== null;
    pieces.push(...(replaced ?? [{ start: field.from, end: field.end }]));
  }
  return changed ? pieces : null;
}
