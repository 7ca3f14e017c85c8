/**
 * Half-precision graphs made to compute in single precision: the results of the same weights in single precision
 * (golden.json, ONNX Runtime in Python), for files of both converters and for everything else that such files hold.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { toSinglePrecision } from '../../core/src/onnx/single-precision.js';
import type { RandomAccess } from '../../core/src/platform.js';
import { boundedFile } from './support/bounded-file.js';

const folder = fileURLToPath(new URL('./fixtures/half/', import.meta.url));
const tinyVlm = fileURLToPath(new URL('./fixtures/tiny-vlm/', import.meta.url));

interface Described {
  type: string;
  dims: number[];
  data: (number | boolean)[];
}
const { cases } = JSON.parse(readFileSync(`${folder}golden.json`, 'utf8')) as {
  cases: Record<string, { feeds: Record<string, Described>; expected: Record<string, Described> }>;
};

const widen = (path: string) => toSinglePrecision(boundedFile(readFileSync(path)));

async function graphOf(path: string) {
  const result = await widen(path);
  if ('unchanged' in result) throw new Error(`left as it is: ${result.unchanged}`);
  return result;
}

function tensorOf({ type, dims, data }: Described): Tensor {
  if (type === 'int64') return new Tensor('int64', BigInt64Array.from(data as number[], BigInt), dims);
  if (type === 'bool') return new Tensor('bool', data as boolean[], dims);
  return new Tensor('float32', Float32Array.from(data as number[]), dims);
}

async function create(graph: Uint8Array, externalFiles: string[] = []) {
  const externalData = externalFiles.map((path) => ({ path, data: readFileSync(folder + path) }));
  const options = { graphOptimizationLevel: 'all', logSeverityLevel: 3 } as const;
  return InferenceSession.create(graph, externalData.length === 0 ? options : { ...options, externalData });
}

test.each(Object.keys(cases))('%s', async (name) => {
  const { feeds, expected } = cases[name]!;
  const file = readFileSync(`${folder}${name}.onnx`);
  const { graph, externalFiles } = await graphOf(`${folder}${name}.onnx`);
  expect(graph.length - file.length).toBeLessThan(6000); // weights stay in half precision
  const session = await create(graph, externalFiles);
  for (const input of session.inputMetadata) expect(input.isTensor && input.type).not.toBe('float16');
  const outputs = await session.run(
    Object.fromEntries(Object.entries(feeds).map(([input, value]) => [input, tensorOf(value)])),
  );
  for (const [output, { data, dims }] of Object.entries(expected)) {
    const got = outputs[output]!;
    expect(got.type).toBe('float32');
    expect(got.dims).toEqual(dims);
    const values = got.data as Float32Array;
    const farthest = data.reduce<number>((most, value, i) => Math.max(most, Math.abs(values[i]! - Number(value))), 0);
    expect(farthest).toBeLessThan(1e-5);
  }
  await session.release();
});

test('a 4-bit decoder of a real form takes and gives single precision', async () => {
  const { graph } = await graphOf(`${tinyVlm}decoder_model_merged_q4f16.onnx`);
  const session = await create(graph);
  for (const { name, ...value } of [...session.inputMetadata, ...session.outputMetadata]) {
    expect([name, value.isTensor && value.type]).not.toContain('float16');
  }
  await session.release();
});

test.each([
  [`${folder}custom.onnx`, /org\.example\.Mystery/],
  [`${folder}taken-weight.onnx`, /a value named stem\.weight\/half/],
  [`${tinyVlm}vision_encoder.onnx`, /single precision already/],
  [`${tinyVlm}vision_encoder_fp16.onnx`, /single precision already/], // weights are behind casts
  [`${tinyVlm}decoder_model_merged_q4.onnx`, /single precision already/],
  [`${tinyVlm}tokenizer.json`, /no ONNX/],
  [`${tinyVlm}embed_tokens.q8.bin`, /no ONNX/],
])('%s is left as it is', async (path, why) => {
  expect(await widen(path)).toEqual({ unchanged: expect.stringMatching(why) });
});

test('a graph that was widened is left alone', async () => {
  const { graph } = await graphOf(`${folder}pixels.common.onnx`);
  expect(await toSinglePrecision(boundedFile(graph))).toEqual({ unchanged: expect.stringMatching(/already/) });
});

test.each([
  ['functions of its own', 25, /functions/],
  ['training steps', 20, /training/],
  ['operators of a version to come', 8, /version 99/],
])('a model with %s is left as it is', async (_, number, why) => {
  const more = number === 8 ? field(8, 2, [16, 99]) : field(number, 0, []);
  const file = Buffer.concat([readFileSync(`${folder}decoder.onnx`), Uint8Array.from(more)]);
  expect(await toSinglePrecision(boundedFile(file))).toEqual({ unchanged: expect.stringMatching(why) });
});

test('a weight that callers may replace is left as it is', async () => {
  const node = field(1, 12, [...text(1, 'w'), ...text(2, 'y'), ...text(4, 'Relu')]);
  const weight = [8, 20, 16, 10, ...text(8, 'w'), ...field(9, 40, Array(40).fill(0))]; // 20 values in half precision
  const model = (input: number[]) => {
    const graph = [...node, ...field(5, weight.length, weight), ...input];
    return boundedFile(Uint8Array.from([...field(7, graph.length, graph), ...field(8, 2, [16, 17])]));
  };
  expect(await toSinglePrecision(model([]))).toMatchObject({ externalFiles: [] });
  const replaceable = await toSinglePrecision(model(field(11, 3, text(1, 'w'))));
  expect(replaceable).toEqual({ unchanged: expect.stringMatching(/an input too: w$/) });
});

test('a weight that is a result', async () => {
  const { graph: bytes } = await graphOf(`${folder}weight-as-output.onnx`);
  const session = await create(bytes);
  const { w } = await session.run({ x: new Tensor('float32', new Float32Array(2), [2]) });
  expect(w!.type).toBe('float32');
  expect([...(w!.data as Float32Array)]).toEqual(Array.from({ length: 20 }, (_, i) => i / 8));
  await session.release();
});

test('what it holds is the new file and little else', async () => {
  const size = 100_000_000;
  const file = hugeFile(size);
  let largestRead = 0;
  let bytesRead = 0;
  const before = process.memoryUsage().arrayBuffers;
  const result = await toSinglePrecision({
    ...file,
    async read(target, position) {
      largestRead = Math.max(largestRead, target.length);
      bytesRead += target.length;
      await file.read(target, position);
    },
  });
  if ('unchanged' in result) throw new Error(result.unchanged);
  expect(largestRead).toBeGreaterThan(size); // straight to its place
  expect(bytesRead - result.graph.length).toBeLessThan(1_000_000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(result.graph.length + (32 << 20));
});

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const field = (number: number, length: number, content: number[]) => [
  ...varint(number * 8 + 2),
  ...varint(length),
  ...content,
];
const text = (number: number, value: string) => field(number, value.length, [...Buffer.from(value)]);

/** One operator on a weight of `size` bytes, all zero. */
function hugeFile(size: number): RandomAccess {
  const node = field(1, 12, [...text(1, 'w'), ...text(2, 'y'), ...text(4, 'Relu')]);
  const tensorHead = [8, ...varint(size / 2), 16, 10, ...text(8, 'w'), ...field(9, size, [])];
  const graphHead = [...node, ...field(5, tensorHead.length + size, tensorHead)];
  const opset = field(8, 2, [16, 17]);
  const head = Uint8Array.from([...opset, ...field(7, graphHead.length + size, graphHead)]);
  return {
    size: head.length + size,
    async read(target, position) {
      target.fill(0);
      target.set(head.subarray(position, position + target.length));
    },
    async close() {},
  };
}
