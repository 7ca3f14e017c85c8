/** Weights that are mapped where they lie in the model's file: the same results, and which files stay as they are. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toHalves } from '../../core/src/half.js';
import { detachWeights } from '../../core/src/onnx/detached-weights.js';
import { message, numberField, type Piece, textField } from '../../core/src/onnx/pieces.js';
import { toSinglePrecision } from '../../core/src/onnx/single-precision.js';
import { bytesAsFile } from '../src/open-file.js';
import { nodeRuntime } from '../src/runtime.js';

const [ROWS, COLUMNS] = [128, 128];
const [FLOAT, INT8, FLOAT16] = [1, 3, 10];
const ALIGNED = 64;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'mclip-mapped-'));
});
afterAll(() => rm(scratch, { recursive: true }));

const bytesOf = (pieces: Piece[]) => Buffer.concat(pieces as Uint8Array[]);
const weights = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.fround(Math.sin(i * 1.7) * 3));

function valuesOf(type: number): Uint8Array {
  if (type === FLOAT) return new Uint8Array(weights.buffer);
  if (type === INT8) return new Uint8Array(Int8Array.from(weights, (value) => value * 40).buffer);
  return new Uint8Array(toHalves(weights).buffer);
}

/** [rows, columns]; its values begin `shift` bytes after a multiple of 64 of the file, found by trying blanks. */
const tensor = (type: number, blanks: number) =>
  message(5, [
    ...[ROWS, COLUMNS].map((dim) => numberField(1, dim)),
    numberField(2, type),
    ...textField(8, 'weights'),
    ...textField(12, ' '.repeat(blanks)),
    ...message(9, [valuesOf(type)]),
  ]);

const value = (field: number, name: string, type: number, rows: number, columns: number) => {
  const dims = [rows, columns].flatMap((dim) => message(1, [numberField(1, dim)]));
  return message(field, [
    ...textField(1, name),
    ...message(2, message(1, [numberField(1, type), ...message(2, dims)])),
  ]);
};
const node = (op: string, inputs: string[], output: string, attributes: Piece[] = []) =>
  message(1, [
    ...inputs.flatMap((input) => textField(1, input)),
    ...textField(2, output),
    ...textField(4, op),
    ...attributes,
  ]);
const toFloat = message(5, [...textField(1, 'to'), numberField(3, FLOAT), numberField(20, 2)]);

/** x [rows, columns] + weights of `type`, computed in `io`. A sum takes weights as they are: they stay mapped. */
function modelOf(type: number, shift = 0, { io = FLOAT, more = [] }: { io?: number; more?: Piece[] } = {}): Buffer {
  for (let blanks = 0; blanks < 2 * ALIGNED; blanks++) {
    const graph = [
      ...(type === io ? [] : node('Cast', ['weights'], 'wide', toFloat)),
      ...node('Add', ['x', type === io ? 'weights' : 'wide'], 'y'),
      ...textField(2, 'sum'),
      ...tensor(type, blanks),
      ...more,
      ...value(11, 'x', io, ROWS, COLUMNS),
      ...value(12, 'y', io, ROWS, COLUMNS),
    ];
    const file = bytesOf([numberField(1, 8), ...message(7, graph), ...message(8, [numberField(2, 17)])]);
    if (file.indexOf(valuesOf(type)) % ALIGNED === shift) return file;
  }
  throw new Error('no such place');
}

const x = new Tensor(
  'float32',
  Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => i % 7),
  [ROWS, COLUMNS],
);
const onCpu = { device: 'cpu', numThreads: 1 } as const;
const resultOf = async (session: Pick<InferenceSession, 'run'>) =>
  Array.from((await session.run({ x })).y!.data as Float32Array);
async function written(name: string, bytes: Uint8Array) {
  const path = join(scratch, name);
  await writeFile(path, bytes);
  return path;
}

test.each([
  ['fp32', FLOAT, 0],
  ['fp32', FLOAT, 4],
  ['fp16', FLOAT16, 2],
  ['int8', INT8, 3],
])('%s weights (%i) at %i bytes: the results of the whole file', async (name, type, shift) => {
  const bytes = modelOf(type, shift);
  const graph = await detachWeights(bytesAsFile(bytes), `${name}.onnx`);
  expect(graph!.length).toBeLessThan(1000);
  const path = await written(`${name}.onnx`, bytes);
  const whole = await InferenceSession.create(path);
  const session = await nodeRuntime.createSession(path, onCpu);
  const result = await resultOf(session);
  expect(result).toEqual(await resultOf(whole));
  expect(result[1]).toBeCloseTo(1 + (type === INT8 ? Math.trunc(weights[1]! * 40) : weights[1]!), 2);
  await session.release();
  await whole.release();
});

test.each([
  ['fp32', FLOAT, 1],
  ['fp32', FLOAT, 2],
  ['fp16', FLOAT16, 1],
])('%s weights (%i) at %i bytes, where none of their type may lie, are not mapped', async (name, type, shift) => {
  const bytes = modelOf(type, shift);
  expect(await detachWeights(bytesAsFile(bytes), 'any.onnx')).toBeNull();
  const session = await nodeRuntime.createSession(await written(`odd-${name}.onnx`, bytes), onCpu);
  expect((await resultOf(session))[1]).toBeCloseTo(1 + weights[1]!, 2);
  await session.release();
});

test('a half-precision file made to compute in single precision', async () => {
  const bytes = modelOf(FLOAT16, 0, { io: FLOAT16 });
  const widened = await toSinglePrecision(bytesAsFile(bytes));
  const whole = await InferenceSession.create('graph' in widened ? widened.graph : new Uint8Array());
  let said = '';
  const onNote = (note: string) => {
    said = note;
  };
  const path = await written('half.onnx', bytes);
  const session = await nodeRuntime.createSession(path, { ...onCpu, dtype: 'fp16', onNote });
  expect(said).toBe('fp16 computed as fp32');
  const result = await resultOf(session);
  expect(result).toEqual(await resultOf(whole));
  expect(result[1]).toBeCloseTo(1 + weights[1]!, 2);
  await session.release();
  await whole.release();
});

// /proc/self/maps tells what is mapped; macOS and Windows have no such file
test.runIf(process.platform === 'linux')('weights that no kernel rearranges are pages of the file', async () => {
  const path = await written('pages.onnx', modelOf(FLOAT));
  const mappings = () =>
    readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('/pages.onnx'));
  const session = await nodeRuntime.createSession(path, onCpu);
  expect(mappings()).toHaveLength(1);
  await session.release();
  expect(mappings()).toEqual([]);
});

// on Windows a mapped file could not be removed, and is not mapped
test('a file that is replaced and removed while it is used', async () => {
  const path = await written('replaced.onnx', modelOf(FLOAT));
  const session = await nodeRuntime.createSession(path, onCpu);
  const before = await resultOf(session);
  await rename(await written('other.onnx', Buffer.alloc(50_000)), path);
  expect(await resultOf(session)).toEqual(before);
  await rm(path);
  expect(await resultOf(session)).toEqual(before);
  await session.release();
});

test('a file of another alphabet, and one behind a link of another name, as hub caches have', async () => {
  const path = await written('größe 大 %20.onnx', modelOf(FLOAT));
  await mkdir(join(scratch, 'snapshot'));
  const link = join(scratch, 'snapshot', 'model.onnx');
  await symlink(path, link);
  for (const file of [path, link]) {
    const session = await nodeRuntime.createSession(file, onCpu);
    expect((await resultOf(session))[1]).toBeCloseTo(1 + weights[1]!, 5);
    await session.release();
  }
});

test('what is no model, and one with weights in a further file, are left to onnxruntime', async () => {
  expect(await detachWeights(bytesAsFile(Buffer.from('no model at all')), 'any.onnx')).toBeNull();
  expect(await detachWeights(bytesAsFile(modelOf(FLOAT).subarray(0, 20_000)), 'any.onnx')).toBeNull();
  const location = message(13, [...textField(1, 'location'), ...textField(2, 'more.bin')]);
  const further = message(5, [numberField(2, FLOAT), ...textField(8, 'further'), ...location, numberField(14, 1)]);
  expect(await detachWeights(bytesAsFile(modelOf(FLOAT)), 'any.onnx')).not.toBeNull();
  expect(await detachWeights(bytesAsFile(modelOf(FLOAT, 0, { more: further })), 'any.onnx')).toBeNull();
});

test('a graph most of which would stay in memory is read as it is', async () => {
  const small = (index: number) =>
    message(5, [
      numberField(1, 1000),
      numberField(2, FLOAT),
      ...textField(8, `small${index}`),
      ...message(9, [Buffer.alloc(4000)]),
    ]);
  const smalls = (count: number) => Array.from({ length: count }, (_, i) => small(i)).flat();
  const detached = async (count: number) =>
    detachWeights(bytesAsFile(modelOf(FLOAT, 0, { more: smalls(count) })), 'any.onnx');
  expect((await detached(1))!.length).toBeGreaterThan(4000);
  expect(await detached(10)).toBeNull();
});
