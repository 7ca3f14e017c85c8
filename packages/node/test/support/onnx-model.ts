/** ONNX models written field by field (onnx.proto3). */

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
}

export function message(number: number, content: Uint8Array | readonly number[]): Uint8Array {
  return Buffer.concat([
    Uint8Array.from([...varint(number * 8 + 2), ...varint(content.length)]),
    Uint8Array.from(content),
  ]);
}

export const number = (field: number, value: number) => [...varint(field * 8), ...varint(value)];
export const text = (field: number, value: string) => message(field, Buffer.from(value));

export function node(op: string, inputs: string[], outputs: string[], domain = ''): Uint8Array {
  const named = [...inputs.map((name) => text(1, name)), ...outputs.map((name) => text(2, name))];
  const attributes = op === 'Cast' ? [message(5, [...text(1, 'to'), ...number(3, 1), ...number(20, 2)])] : [];
  return message(1, Buffer.concat([...named, text(4, op), ...attributes, text(7, domain)]));
}

export function tensor(name: string, type: number, dims: number[], data: Uint8Array): Uint8Array {
  const head = Uint8Array.from([...dims.flatMap((dim) => number(1, dim)), ...number(2, type), ...text(8, name)]);
  return message(5, Buffer.concat([head, message(9, data)]));
}

/** Of any shape. */
export function valueInfo(name: string, type: number): Uint8Array {
  return Buffer.concat([text(1, name), message(2, message(1, number(1, type)))]);
}

export function model(parts: Uint8Array[]): Uint8Array {
  const opsets = [message(8, number(2, 17)), message(8, [...text(1, 'com.microsoft'), ...number(2, 1)])];
  return Buffer.concat([Uint8Array.from(number(1, 8)), ...opsets, message(7, Buffer.concat([text(2, 'g'), ...parts]))]);
}
