/** Decoders with the logits of all positions are made to compute the last one: the same logits, and which graphs stay. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCaptioner } from '@mclip/node';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, expect, test } from 'vitest';
import { withAllPositions } from '../../../test/support/all-positions.js';
import { entryOf } from '../../../test/support/split-model.js';
import type { Dtype } from '../../core/src/model/manifest.js';
import { lastPositionOnly } from '../../core/src/onnx/last-position.js';
import { message, numberField, type Piece, textField } from '../../core/src/onnx/pieces.js';
import { productsInStrips } from '../../core/src/onnx/product-strips.js';
import { picture } from '../../core/test/image/picture.js';
import { bytesAsFile } from '../src/open-file.js';
import { nodeRuntime } from '../src/runtime.js';

const TINY = fileURLToPath(new URL('fixtures/tiny-vlm', import.meta.url));
const { pictures, cases, stopIds } = JSON.parse(readFileSync(`${TINY}-reference.json`, 'utf8'));
const manifest = JSON.parse(readFileSync(join(TINY, 'mclip.json'), 'utf8'));
const decoders = Object.keys(manifest.graphs.decoder.files) as Dtype[];

const folder = mkdtempSync(join(tmpdir(), 'mclip-positions-'));
afterAll(() => rmSync(folder, { recursive: true }));
cpSync(TINY, folder, { recursive: true });
const all = structuredClone(manifest);
delete all.decoder.logits;
for (const dtype of decoders) {
  const { file } = manifest.graphs.decoder.files[dtype];
  const bytes = await withAllPositions(readFileSync(join(TINY, file)));
  writeFileSync(join(folder, file), bytes);
  all.graphs.decoder.files[dtype] = entryOf(file, bytes);
}
writeFileSync(join(folder, 'mclip.json'), JSON.stringify(all));
const fileOf = (dtype: Dtype) => join(folder, manifest.graphs.decoder.files[dtype].file);

const TOKENS = 7;
const { hidden, layers, kvHeads, headDim } = manifest.decoder;
function feeds(past: number) {
  const values = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7 + seed));
  const cache = Array.from({ length: layers }, (_, i) => ['key', 'value'].map((kind) => `${i}.${kind}`)).flat();
  return {
    inputs_embeds: new Tensor('float32', values(TOKENS * hidden, 1), [1, TOKENS, hidden]),
    attention_mask: new Tensor('int64', new BigInt64Array(past + TOKENS).fill(1n), [1, past + TOKENS]),
    ...Object.fromEntries(
      cache.map((name, i) => {
        const dims = [1, kvHeads, past, headDim];
        return [`past_key_values.${name}`, new Tensor('float32', values(kvHeads * past * headDim, i), dims)];
      }),
    ),
  };
}

test.each(decoders)('%s: the last of all logits, and the same cache', async (dtype) => {
  const options = { device: 'cpu', numThreads: 1, dtype } as const;
  const whole = await nodeRuntime.createSession(fileOf(dtype), options);
  const cut = await nodeRuntime.createSession(fileOf(dtype), { ...options, lastOf: 'logits' });
  for (const past of [0, 5]) {
    const [expected, got] = [await whole.run(feeds(past)), await cut.run(feeds(past))];
    const { dims, data } = expected.logits as Tensor;
    const width = dims[2]!;
    expect(dims).toEqual([1, TOKENS, width]);
    expect(got.logits!.dims).toEqual([1, 1, width]);
    const last = (data as Float32Array).subarray(-width);
    // activations in 8 bits: the one position has a scale of its own
    const tolerance = dtype === 'q8' ? 0.05 : 1e-5;
    const farthest = last.reduce((most, value, i) => Math.max(most, Math.abs(value - Number(got.logits!.data[i]))), 0);
    expect(farthest).toBeLessThan(tolerance);
    expect(Math.max(...last) - Math.min(...last)).toBeGreaterThan(1);
    for (const name of whole.outputNames.filter((one) => one !== 'logits')) {
      expect(got[name]!.data, name).toEqual(expected[name]!.data);
    }
  }
  await whole.release();
  await cut.release();
});

test.each([true, false])('captions of such a model, worker: %s', async (worker) => {
  const captioner = await createCaptioner({ model: folder, worker, dtype: { vision: 'fp32', decoder: 'fp32' } });
  for (const { picture: index, question: prompt, fit, size: resolution, answer } of cases.slice(0, 4)) {
    const { kind, width, height, seed } = pictures[index];
    const image = { data: picture(kind, width, height, seed).data, width, height, channels: 3 } as const;
    const { tokens } = await captioner.generate(image, { prompt, fit, resolution, maxNewTokens: 32 });
    expect(tokens).toEqual(answer.filter((id: number) => !stopIds.includes(id)));
  }
  await captioner.dispose();
});

const FLOAT = 1;
const value = (field: number, name: string, type: number, dims: (number | string)[]) => {
  const shape = dims.flatMap((dim) => message(1, typeof dim === 'number' ? [numberField(1, dim)] : textField(2, dim)));
  return message(field, [
    ...textField(1, name),
    ...message(2, message(1, [numberField(1, type), ...message(2, shape)])),
  ]);
};
const node = (op: string, inputs: string[], outputs: string[], ...attributes: Piece[][]) =>
  message(1, [
    ...inputs.flatMap((input) => textField(1, input)),
    ...outputs.flatMap((output) => textField(2, output)),
    ...textField(4, op),
    ...attributes.flat(),
  ]);
const weight = (name: string, type: number, dims: number[], data: ArrayBufferView) =>
  message(5, [
    ...dims.map((dim) => numberField(1, dim)),
    numberField(2, type),
    ...textField(8, name),
    ...message(9, [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]),
  ]);
const to = (type: number) => message(5, [...textField(1, 'to'), numberField(3, type), numberField(20, 2)]);

const [IN, OUT] = [4, 3];
const numbers = Float32Array.from({ length: IN * OUT }, (_, i) => Math.sin(i * 1.3));
const bytesOf = Uint8Array.from(numbers, (one) => 128 + Math.round(one * 100));

/** x [1, tokens, 4] -> h = sigmoid(x) -> ... -> logits */
function modelOf(nodes: Piece[], { dims = [1, 'tokens', OUT] as (number | string)[], more = [] as Piece[] } = {}) {
  const graph = [
    ...node('Sigmoid', ['x'], ['h']),
    ...nodes,
    ...textField(2, 'head'),
    ...weight('w', FLOAT, [IN, OUT], numbers),
    ...weight('bytes', 2, [IN, OUT], bytesOf),
    ...weight('middle', 2, [], Uint8Array.of(128)),
    ...weight('scale', FLOAT, [], Float32Array.of(0.01)),
    ...weight('bias', FLOAT, [OUT], Float32Array.of(1, 2, 3)),
    ...value(11, 'x', FLOAT, [1, 'tokens', IN]),
    ...value(12, 'logits', FLOAT, dims),
    ...more,
  ];
  const model = [numberField(1, 8), ...message(7, graph), ...message(8, [numberField(2, 17)])];
  return Uint8Array.from(Buffer.concat(model as Uint8Array[]));
}
const product = (output: string, input = 'h') => node('MatMul', [input, 'w'], [output]);

const heads: [string, Uint8Array, number][] = [
  ['a product', modelOf(product('logits')), 1e-6],
  [
    'a product, scaled and with a bias',
    modelOf([...product('p'), ...node('Mul', ['p', 'scale'], ['q']), ...node('Add', ['bias', 'q'], ['logits'])], {
      more: value(13, 'p', FLOAT, [1, 5, OUT]), // declared as it was
    }),
    1e-6,
  ],
  [
    'a product in integers, whose rounding nothing else reads',
    modelOf([
      ...node('DynamicQuantizeLinear', ['h'], ['r', 's', 'z']),
      ...node('MatMulInteger', ['r', 'bytes', 'z', 'middle'], ['i']),
      ...node('Cast', ['i'], ['f'], to(FLOAT)),
      ...node('Mul', ['s', 'scale'], ['both']),
      ...node('Mul', ['f', 'both'], ['logits']),
    ]),
    0.02,
  ],
  [
    'one whose rounding is read elsewhere',
    modelOf([
      ...node('DynamicQuantizeLinear', ['h'], ['r', 's', 'z']),
      ...node('MatMulInteger', ['r', 'bytes', 'z', 'middle'], ['i']),
      ...node('MatMulInteger', ['r', 'bytes', 'z'], ['elsewhere']),
      ...node('Cast', ['i'], ['f'], to(FLOAT)),
      ...node('Mul', ['s', 'scale'], ['both']),
      ...node('Mul', ['both', 'f'], ['logits']),
    ]),
    0,
  ],
];

test.each(heads)('%s is cut', async (_, model, tolerance) => {
  const graph = await (await lastPositionOnly(bytesAsFile(model), 'logits'))!.file.bytes();
  const x = new Tensor(
    'float32',
    Float32Array.from({ length: 5 * IN }, (_, i) => Math.cos(i) * 3),
    [1, 5, IN],
  );
  const [whole, cut] = await Promise.all(
    [model, graph].map((one) => InferenceSession.create(one, { logSeverityLevel: 3 })),
  );
  const [expected, got] = [(await whole!.run({ x })).logits!, (await cut!.run({ x })).logits!];
  expect(cut!.outputMetadata[0]).toMatchObject({ shape: [1, 1, OUT] });
  expect([expected.dims, got.dims]).toEqual([
    [1, 5, OUT],
    [1, 1, OUT],
  ]);
  const last = (expected.data as Float32Array).subarray(-OUT);
  last.forEach((one, i) => expect(Math.abs(one - Number(got.data[i]))).toBeLessThanOrEqual(tolerance));
});

test('what comes after it reads the changed file as any other', async () => {
  const [width, vocabulary] = [256, 2048];
  const values = Uint8Array.from({ length: width * vocabulary }, (_, i) => (i * 7919) % 251);
  const graph = [
    ...node('Sigmoid', ['inputs_embeds'], ['h']),
    ...node('DynamicQuantizeLinear', ['h'], ['r', 's', 'z']),
    ...node('MatMulInteger', ['r', 'head', 'z'], ['i']),
    ...node('Cast', ['i'], ['f'], to(FLOAT)),
    ...node('Mul', ['f', 's'], ['logits']),
    ...textField(2, 'head'),
    ...weight('head', 2, [width, vocabulary], values),
    ...value(11, 'inputs_embeds', FLOAT, [1, 'tokens', width]),
    ...value(12, 'logits', FLOAT, [1, 'tokens', vocabulary]),
  ];
  const parts = [numberField(1, 8), ...message(7, graph), ...message(8, [numberField(2, 17)])];
  const file = bytesAsFile(Uint8Array.from(Buffer.concat(parts as Uint8Array[])));
  const cut = (await lastPositionOnly(file, 'logits'))!.file;
  const strips = (await productsInStrips(cut))!;
  const embeds = Float32Array.from({ length: 3 * width }, (_, i) => Math.cos(i) * 3);
  const answers = [await cut.bytes(), strips].map(async (bytes) => {
    const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
    return (await session.run({ inputs_embeds: new Tensor('float32', embeds, [1, 3, width]) })).logits!;
  });
  const [plain, stripped] = await Promise.all(answers);
  expect(plain!.dims).toEqual([1, 1, vocabulary]);
  expect(stripped!.data).toEqual(plain!.data);
});

test.each<[string, Uint8Array]>([
  ['one position already', modelOf(product('logits'), { dims: [1, 1, OUT] })],
  ['an output of another rank', modelOf(product('logits'), { dims: ['tokens', OUT] })],
  ['no such output', modelOf(product('others'))],
  ['a product of an input of the graph', modelOf(product('logits', 'x'))],
  ['an operation across positions', modelOf([...product('p'), ...node('Softmax', ['p'], ['logits'])])],
  ['two products', modelOf([...product('p'), ...product('q'), ...node('Add', ['p', 'q'], ['logits'])])],
  [
    'a product that is an output too',
    modelOf([...product('p'), ...node('Add', ['p', 'bias'], ['logits'])], {
      more: value(12, 'p', FLOAT, [1, 'tokens', OUT]),
    }),
  ],
  [
    'a product that others read',
    modelOf([...product('p'), ...node('Add', ['p', 'bias'], ['logits']), ...node('Neg', ['p'], ['n'])]),
  ],
  [
    'a node with a graph of its own, which may read any value',
    modelOf([
      ...product('logits'),
      ...node('If', ['c'], ['y'], message(5, [...textField(1, 'then_branch'), ...message(6, [])])),
    ]),
  ],
  ['no ONNX', Uint8Array.from({ length: 300 }, (_, i) => (i * 37) % 256)],
])('%s: the graph stays', async (_, model) => {
  expect(await lastPositionOnly(bytesAsFile(model), 'logits')).toBeNull();
});

test('what reading the file throws is thrown', async () => {
  const file = {
    ...bytesAsFile(modelOf(product('logits'))),
    read: () => Promise.reject(new Error('the disk is gone')),
  };
  await expect(lastPositionOnly(file, 'logits')).rejects.toThrow('the disk is gone');
});
