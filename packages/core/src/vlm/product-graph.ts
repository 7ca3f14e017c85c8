/**
 * ONNX files of one matrix product each, [rows, width] x [width, columns], with zeros for weights: what a decoder
 * spends its time on, in the forms it may have, without its download (onnx.proto3, field numbers beside the names).
 */
export type ProductForm = 'q8' | 'q4';

const FLOAT = 1;
const UINT8 = 2;
/** Weights of one scale, 4 bits each. */
const BLOCK = 32;

export function productGraph(form: ProductForm, width: number, columns: number): Uint8Array<ArrayBuffer> {
  const nodes = {
    q8: node('DynamicQuantizeMatMul', ['x', 'weights', 'scales'], []),
    q4: node(
      'MatMulNBits',
      ['x', 'weights', 'scales'],
      [
        integer('K', width),
        integer('N', columns),
        integer('bits', 4),
        integer('block_size', BLOCK),
        integer('accuracy_level', 4),
      ],
    ),
  };
  const blocks = width / BLOCK;
  const tensors = {
    q8: [tensor('weights', UINT8, [width, columns], 1), tensor('scales', FLOAT, [columns], 4)],
    q4: [tensor('weights', UINT8, [columns, blocks, BLOCK / 2], 1), tensor('scales', FLOAT, [columns * blocks], 4)],
  };
  const graph = [
    bytes(1, nodes[form]), // node
    text(2, 'product'), // name
    ...tensors[form].map((one) => bytes(5, one)), // initializer
    bytes(11, floats('x', width)), // input
    bytes(12, floats('y', columns)), // output
  ];
  const opset = (domain: string, version: number) => bytes(8, join([text(1, domain), number(2, version)]));
  // ir_version, opset_import, graph
  return join([number(1, 8), opset('', 17), opset('com.microsoft', 1), bytes(7, join(graph))]);
}

/** input 1, output 2, op_type 4, attribute 5, domain 7 */
function node(op: string, inputs: string[], attributes: Uint8Array[]): Uint8Array {
  const attribute = attributes.map((one) => bytes(5, one));
  return join([
    ...inputs.map((name) => text(1, name)),
    text(2, 'y'),
    text(4, op),
    ...attribute,
    text(7, 'com.microsoft'),
  ]);
}

/** name 1, i 3, type 20 (INT is 2) */
const integer = (name: string, value: number) => join([text(1, name), number(3, value), number(20, 2)]);

/** dims 1, data_type 2, name 8, raw_data 9 */
function tensor(name: string, type: number, dims: number[], bytesPerValue: number): Uint8Array {
  const zeros = new Uint8Array(dims.reduce((product, dim) => product * dim, bytesPerValue));
  return join([...dims.map((dim) => number(1, dim)), number(2, type), text(8, name), bytes(9, zeros)]);
}

/** ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1; its elem_type 1, shape 2; dim 1: dim_value 1, dim_param 2 */
function floats(name: string, width: number): Uint8Array {
  const shape = join([bytes(1, text(2, 'rows')), bytes(1, number(1, width))]);
  return join([text(1, name), bytes(2, bytes(1, join([number(1, FLOAT), bytes(2, shape)])))]);
}

function number(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(field * 8), ...varint(value)]);
}

function bytes(field: number, content: Uint8Array): Uint8Array {
  return join([Uint8Array.from([...varint(field * 8 + 2), ...varint(content.length)]), content]);
}

const text = (field: number, value: string) => bytes(field, new TextEncoder().encode(value));

function varint(value: number): number[] {
  const digits: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 0x80)) digits.push((value % 0x80) | 0x80);
  return [...digits, value];
}

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
