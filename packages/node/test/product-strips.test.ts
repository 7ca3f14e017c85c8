/** 8-bit products in strips: the results of the file as it is, bit for bit, and what is left alone. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { productsInStrips } from '../../core/src/onnx/product-strips.js';
import { boundedFile } from './support/bounded-file.js';
import { message, model, node, tensor, text, valueInfo } from './support/onnx-model.js';

const IN = 1024;
const [FLOAT, UINT8, INT8, INT32] = [1, 2, 3, 6] as const;

interface Options {
  input?: string;
  columns?: number;
  op?: 'MatMulInteger' | 'DynamicQuantizeMatMul';
  /** Of weights and zero points. */
  type?: number;
  perColumn?: boolean;
  more?: Uint8Array[];
}

/** Of one product, its rows brought to 8 bits and its outputs doubled. */
function graph({
  input = 'inputs_embeds',
  columns = 544,
  op,
  type = UINT8,
  perColumn = false,
  more = [],
}: Options = {}) {
  const weights = Uint8Array.from({ length: IN * columns }, (_, i) => (i * 2654435761) >>> 24);
  const count = perColumn ? columns : 1;
  const dims = perColumn ? [columns] : [];
  const zeros = tensor(
    'zero',
    type,
    dims,
    Uint8Array.from({ length: count }, (_, i) => (type === INT8 ? i % 5 : 120 + (i % 9))),
  );
  const scaleDims = perColumn ? [columns] : [1];
  const scales = Float32Array.from({ length: count }, (_, i) => 0.001 * (1 + (i % 7)));
  const isInteger = op === 'MatMulInteger';
  const nodes = isInteger
    ? [
        node('DynamicQuantizeLinear', [input], ['a', 'aScale', 'aZero']),
        node(op, ['a', 'w', 'aZero', 'zero'], ['product']),
        node('Add', ['product', 'product'], ['y']),
      ]
    : [
        node('DynamicQuantizeMatMul', [input, 'w', 'scale', 'zero'], ['product'], 'com.microsoft'),
        node('Add', ['product', 'product'], ['y']),
      ];
  return model([
    ...nodes,
    tensor('w', type, [IN, columns], weights),
    zeros,
    ...(isInteger ? [] : [tensor('scale', FLOAT, scaleDims, new Uint8Array(scales.buffer))]),
    ...more,
    message(11, [...valueInfo(input, FLOAT)]),
    message(12, [...valueInfo('y', isInteger ? INT32 : FLOAT)]),
  ]);
}

/** Three rows of each of `batch`. */
async function outputOf(file: Uint8Array, batch: number, input = 'inputs_embeds') {
  const session = await InferenceSession.create(file, { logSeverityLevel: 3 });
  const values = Float32Array.from({ length: batch * 3 * IN }, (_, i) => Math.sin(i * 12.9898) * (1 + (i % 11)));
  const { y } = await session.run({ [input]: new Tensor('float32', values, [batch, 3, IN]) });
  await session.release();
  return { dims: y!.dims, data: [...(y!.data as Float32Array)] };
}

const operators = (file: Uint8Array) =>
  [
    ...Buffer.from(file)
      .toString('latin1')
      .matchAll(/\x22.(MatMulInteger|DynamicQuantizeMatMul|Transpose|Reshape)/gs),
  ].map(([, op]) => op);

const forms: [string, Options][] = [
  ['MatMulInteger, one zero point', { op: 'MatMulInteger' }],
  ['MatMulInteger, zero points of columns', { op: 'MatMulInteger', perColumn: true }],
  ['MatMulInteger, signed', { op: 'MatMulInteger', type: INT8, perColumn: true }],
  ['DynamicQuantizeMatMul, one scale', { op: 'DynamicQuantizeMatMul' }],
  ['DynamicQuantizeMatMul, scales of columns', { op: 'DynamicQuantizeMatMul', perColumn: true }],
  ['strips of 16 columns', { op: 'MatMulInteger', columns: 528 }],
  ['strips of 8 columns', { op: 'MatMulInteger', columns: 520 }],
];

test.each(forms)('%s', async (_, options) => {
  const file = graph(options);
  const strips = (await productsInStrips(boundedFile(file)))!;
  expect(operators(strips)).toEqual([options.op, 'Transpose', 'Reshape']);
  for (const batch of [1, 2]) expect(await outputOf(strips, batch)).toEqual(await outputOf(file, batch));
});

const left: [string, Uint8Array][] = [
  ['columns that no strip divides', graph({ columns: 516 })],
  ['few weights', graph({ columns: 504 })],
  ['a graph that is no decoder', graph({ input: 'pixel_values' })],
  ['weights that another product reads', graph({ op: 'MatMulInteger', more: [node('Cast', ['w'], ['z'])] })],
  ['weights that are a result', graph({ more: [message(12, [...valueInfo('w', UINT8)])] })],
  ['weights that callers may replace', graph({ more: [message(11, [...valueInfo('w', UINT8)])] })],
  ['scales that another node reads', graph({ perColumn: true, more: [node('Identity', ['scale'], ['z'])] })],
  [
    'a node with a graph in it',
    graph({ more: [message(1, [...text(2, 'z'), ...text(4, 'If'), ...message(5, message(6, []))])] }),
  ],
  ['no ONNX', new TextEncoder().encode('{"weights": "none"}')],
];

test.each(left)('%s: left as it is', async (_, file) => {
  expect(await productsInStrips(boundedFile(file))).toBeNull();
});

test('a product with a bias is left as it is, the one beside it is not', async () => {
  const bias = tensor('bias', FLOAT, [544], new Uint8Array(4 * 544));
  const second = tensor('v', UINT8, [IN, 544], new Uint8Array(IN * 544).fill(7));
  const inputs = ['inputs_embeds', 'v', 'scale2', '', 'bias'];
  const file = graph({
    more: [
      bias,
      second,
      tensor('scale2', FLOAT, [1], new Uint8Array(Float32Array.of(0.5).buffer)),
      node('DynamicQuantizeMatMul', inputs, ['z'], 'com.microsoft'),
      message(12, [...valueInfo('z', FLOAT)]),
    ],
  });
  const strips = (await productsInStrips(boundedFile(file)))!;
  expect(operators(strips)).toEqual(['DynamicQuantizeMatMul', 'Transpose', 'Reshape', 'DynamicQuantizeMatMul']);
  expect(await outputOf(strips, 1)).toEqual(await outputOf(file, 1));
});
