/** Tensors of a graph: looked at, renamed, or widened from half to single precision. */
import { fromHalves, toHalves } from '../half.js';
import { ENTRY, FLOAT, FLOAT16, TENSOR } from './fields.js';
import { NotUnderstood } from './not-understood.js';
import { message, numberField, type Piece, textField } from './pieces.js';
import { bytesOf, type Field, type ProtobufReader, type Range } from './protobuf.js';

export interface Tensor {
  readonly name: string;
  readonly isHalf: boolean;
  readonly dims: readonly number[];
  /** Values in it. */
  readonly count: number;
  /** Its values, where they are in the file as they are in memory. */
  readonly raw: Field | undefined;
  readonly fields: readonly Field[];
  /** Where its values are when they are not in the model's file. */
  readonly externalFile: string | null;
}

const WRONG_LENGTH = 'a half-precision tensor of another length than its shape';

/**
 * Constants of Gelu, by which ONNX Runtime recognises it: as rounded to half precision it would not, and would compute
 * an error function, a division and two products instead of one operation.
 */
const RECOGNISED = [Math.SQRT2, Math.SQRT1_2, Math.sqrt(2 / Math.PI), 0.044715];

export async function readTensor(reader: ProtobufReader, range: Range): Promise<Tensor> {
  const fields = await reader.fields(range);
  const last = (number: number) => fields.findLast((field) => field.number === number);
  const isHalf = last(TENSOR.dataType)?.value === FLOAT16;
  const externalFile = last(TENSOR.dataLocation)?.value === 1 ? await locationOf(reader, fields) : null;
  const dims: number[] = [];
  for (const field of fields) if (field.number === TENSOR.dims) dims.push(...(await reader.numbers(field)));
  const count = dims.reduce((product, dim) => product * dim, 1);
  const raw = last(TENSOR.rawData);
  if (isHalf && (!Number.isSafeInteger(count) || (raw !== undefined && raw.end - raw.start !== count * 2))) {
    throw new NotUnderstood(WRONG_LENGTH);
  }
  const name = last(TENSOR.name);
  return { name: name === undefined ? '' : await reader.text(name), isHalf, dims, count, raw, fields, externalFile };
}

async function locationOf(reader: ProtobufReader, fields: Field[]): Promise<string> {
  for (const entry of fields.filter(({ number }) => number === TENSOR.externalData)) {
    const parts = await reader.fields(entry);
    const key = parts.find(({ number }) => number === ENTRY.key);
    const value = parts.find(({ number }) => number === ENTRY.value);
    if (key === undefined || value === undefined || (await reader.text(key)) !== 'location') continue;
    return new TextDecoder().decode(await reader.bytes(value));
  }
  throw new NotUnderstood('external weights without a file');
}

/** The content of the same tensor under another name. */
export function renamed({ fields }: Tensor, name: string): Piece[] {
  const others = fields.filter(({ number }) => number !== TENSOR.name);
  return [...others.map(({ from, end }) => ({ start: from, end })), ...textField(TENSOR.name, name)];
}

/** The content of the same tensor in single precision. For tensors of few values. */
export async function widened(reader: ProtobufReader, tensor: Tensor): Promise<Piece[]> {
  const values = new Float32Array(tensor.count);
  fromHalves(await halvesOf(reader, tensor), values);
  if (values.length === 1) values[0] = recognised(values[0]!);
  const data = new Uint8Array(values.buffer);
  const dims = tensor.fields.filter(({ number }) => number === TENSOR.dims);
  return [
    ...dims.map(({ from, end }) => ({ start: from, end })),
    numberField(TENSOR.dataType, FLOAT),
    ...message(TENSOR.name, [bytesOf(tensor.name)]),
    ...message(TENSOR.rawData, [data]),
  ];
}

async function halvesOf(reader: ProtobufReader, { fields, count, raw }: Tensor): Promise<Uint16Array> {
  if (raw !== undefined) return new Uint16Array((await reader.bytes(raw)).buffer);
  const numbers: number[] = [];
  for (const field of fields.filter(({ number }) => number === TENSOR.int32Data)) {
    numbers.push(...(await reader.numbers(field)));
  }
  if (numbers.length !== count) throw new NotUnderstood(WRONG_LENGTH);
  return Uint16Array.from(numbers);
}

function recognised(value: number): number {
  const constants = Float32Array.from(RECOGNISED);
  const rounded = new Float32Array(constants.length);
  fromHalves(toHalves(constants), rounded);
  return constants[rounded.indexOf(value)] ?? value;
}
