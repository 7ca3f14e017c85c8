/** 8-bit products in wasm: in strips where onnxruntime takes them, as they are elsewhere; the same numbers. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { message, model, node, tensor, valueInfo } from '../../node/test/support/onnx-model.js';
import { TestSite } from './support/test-site.js';

const SIZE = 64;
const DIM = 8192;
const [FLOAT, UINT8, INT64] = [1, 2, 7] as const;

/** The product of the rows of a picture's planes, summed up. Names: of its output, and of a weight that is none of its. */
function graph(product: string, axis: string): Uint8Array {
  const weights = Uint8Array.from({ length: SIZE * DIM }, (_, i) => (i * 2654435761) >>> 24);
  const shape = new Uint8Array(BigInt64Array.of(3n, BigInt(SIZE), BigInt(SIZE)).buffer);
  return model([
    node('Reshape', ['inputs_embeds', 'shape'], ['rows']),
    node('DynamicQuantizeMatMul', ['rows', 'w', 'scale', 'zero'], [product], 'com.microsoft'), // [3, 64, 8192]
    node('Reshape', [product, 'flat'], ['joined']), // [1, 192, 8192]
    node('ReduceSum', ['joined', axis], ['y']), // [1, 1, 8192]
    tensor('w', UINT8, [SIZE, DIM], weights),
    tensor('scale', FLOAT, [DIM], new Uint8Array(new Float32Array(DIM).map((_, i) => 1 + (i % 7)).buffer)),
    tensor('zero', UINT8, [DIM], new Uint8Array(DIM).fill(128)),
    tensor('shape', INT64, [3], shape),
    tensor('flat', INT64, [3], new Uint8Array(BigInt64Array.of(1n, BigInt(3 * SIZE), BigInt(DIM)).buffer)),
    tensor(axis, INT64, [1], new Uint8Array(BigInt64Array.of(1n).buffer)),
    message(11, valueInfo('inputs_embeds', FLOAT)),
    message(12, valueInfo('y', FLOAT)),
  ]);
}

const files = { free: graph('product', 'axis'), taken: graph('product', 'product/strips') };
const site = new TestSite({
  files: Object.fromEntries(Object.entries(files).map(([name, file]) => [`/${name}.onnx`, file])),
});

const pixels = Array.from({ length: 3 * SIZE * SIZE }, (_, i) => (i * 7919) % 256);

/** The embedding by onnxruntime natively, of the file as it is. */
async function expected(): Promise<number[]> {
  const session = await InferenceSession.create(files.free, { logSeverityLevel: 3 });
  const plane = SIZE * SIZE;
  const values = Float32Array.from(pixels, (_, i) => pixels[(i % plane) * 3 + Math.floor(i / plane)]! / 255);
  const { y } = await session.run({ inputs_embeds: new Tensor('float32', values, [1, 3, SIZE, SIZE]) });
  await session.release();
  const embedding = [...(y!.data as Float32Array)];
  const length = Math.hypot(...embedding);
  return embedding.map((value) => value / length);
}

test.each([
  ['free', /; q8 in strips of columns$/],
  ['taken', /; q8 as it is, which is slower: onnxruntime does not take it in strips \(.*product\/strips/],
] as const)('names that are %s', async (name, reason) => {
  await using page = await site.open();
  const { embedding, device } = await page.evaluate(
    async ({ name, pixels, size, dim }) => {
      const file = { file: `${name}.onnx` };
      const manifest = {
        mclip: 1,
        task: 'clip',
        name: 'strips',
        dim,
        licence: { id: 'MIT' },
        image: { size, interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] },
        text: {},
        logitScale: 100,
        graphs: {
          vision: { input: 'inputs_embeds', output: 'y', files: { q8: file } },
          text: { files: { q8: file } },
        },
      };
      const fileUrl = (file: string) => new URL(`/${file}`, location.href);
      const embedder = await mclip.createEmbedder({ model: { manifest, fileUrl }, dtype: 'q8' });
      const data = Uint8Array.from(pixels);
      const embedding = await embedder.encodeImage({ data, width: size, height: size, channels: 3 });
      const { device } = embedder;
      await embedder.dispose();
      return { embedding: [...embedding], device };
    },
    { name, pixels, size: SIZE, dim: DIM },
  );
  expect(device.reason).toMatch(reason);
  const right = await expected();
  const farthest = embedding.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0);
  expect(farthest).toBeLessThan(1e-6 * Math.max(...right.map(Math.abs)) * 10);
});
