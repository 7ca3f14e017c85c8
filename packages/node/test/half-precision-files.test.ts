/** Half-precision model files through the runtime and the public API: what is made of them, where, and what is not. */

import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEmbedder } from '@mclip/node';
import { Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseDtype } from '../../core/src/clip/choose-dtype.js';
import type { LocatedModel } from '../../core/src/model/locate.js';
import { nodeRuntime } from '../src/runtime.js';

const fixtures = fileURLToPath(new URL('./fixtures/half/', import.meta.url));
const { cases } = JSON.parse(readFileSync(`${fixtures}golden.json`, 'utf8'));
const onCpu = { device: 'cpu', numThreads: 1 } as const;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'mclip-half-'));
});
afterAll(() => rm(scratch, { recursive: true }));

async function inputType(file: string, dtype?: 'fp16' | 'fp32') {
  const session = await nodeRuntime.createSession(file, dtype === undefined ? onCpu : { ...onCpu, dtype });
  const [input] = session.inputMetadata;
  await session.release();
  return input!.isTensor && input!.type;
}

test('a half-precision file computes in single precision on the CPU', async () => {
  expect(await inputType(`${fixtures}pixels.common-half-io.onnx`, 'fp16')).toBe('float32');
});

test('only a file that is said to be in half precision is looked at', async () => {
  expect(await inputType(`${fixtures}decoder.onnx`)).toBe('float16');
  expect(await inputType(`${fixtures}decoder.onnx`, 'fp32')).toBe('float16');
});

test('weights in a file beside the graph', async () => {
  const { feeds, expected } = cases.external;
  const session = await nodeRuntime.createSession(`${fixtures}external.onnx`, { ...onCpu, dtype: 'fp16' });
  const { y } = await session.run({ x: new Tensor('float32', Float32Array.from(feeds.x.data), feeds.x.dims) });
  (y!.data as Float32Array).forEach((value, i) => expect(value).toBeCloseTo(expected.y.data[i], 5));
  await session.release();
});

test.each([
  ['outside of its folder', '../ernal.onnx_data', /outside of its folder/],
  ['that do not exist', 'nothing.onnx_data', /cannot be read/],
])('weights %s', async (_, name, message) => {
  const bytes = readFileSync(`${fixtures}external.onnx`, 'latin1').replaceAll(
    'external.onnx_data',
    name.padEnd(18, '.'),
  );
  await writeFile(join(scratch, 'moved.onnx'), bytes, 'latin1');
  await expect(
    nodeRuntime.createSession(join(scratch, 'moved.onnx'), { ...onCpu, dtype: 'fp16' }),
  ).rejects.toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringMatching(message),
  });
});

test('a missing file is a typed error', async () => {
  await expect(nodeRuntime.createSession(join(scratch, 'no.onnx'), { ...onCpu, dtype: 'fp16' })).rejects.toMatchObject({
    code: 'STORAGE',
  });
});

test('weights in a file whose name onnxruntime finds on a disk only', async () => {
  const { feeds, expected } = cases.external;
  const bytes = readFileSync(`${fixtures}external.onnx`, 'latin1').replaceAll(
    'external.onnx_data',
    './ternal.onnx_data',
  );
  await writeFile(join(scratch, 'here.onnx'), bytes, 'latin1');
  await cp(`${fixtures}external.onnx_data`, join(scratch, 'ternal.onnx_data'));
  let said = '';
  const onNote = (note: string) => {
    said = note;
  };
  const session = await nodeRuntime.createSession(join(scratch, 'here.onnx'), { ...onCpu, dtype: 'fp16', onNote });
  const { y } = await session.run({ x: new Tensor('float32', Float32Array.from(feeds.x.data), feeds.x.dims) });
  (y!.data as Float32Array).forEach((value, i) => expect(Math.abs(value - expected.y.data[i])).toBeLessThan(2e-3));
  expect(said).toMatch(
    /^fp16 as it is, which is slower: onnxruntime does not take it as fp32 \(.*ternal.onnx_data not found/,
  );
  await session.release();
});

test.each([
  ['pixels.common-half-io', /; fp16 computed as fp32$/, 1e-5],
  // what is made of it has two values of one name, which onnxruntime refuses
  [
    'taken-name',
    /; fp16 as it is, which is slower: onnxruntime does not take it as fp32 \(.*Duplicate definition/,
    2e-3,
  ],
  // here it would not refuse, and take either of two weights
  ['taken-weight', /; fp16 as it is, which is slower: it has a value named /, 2e-3],
] as const)('the public API takes %s.onnx unasked, with the results of its weights', async (name, reason, most) => {
  const folder = join(scratch, name);
  await cp(fixtures, folder, { recursive: true });
  const file = { file: `${name}.onnx` };
  const manifest = {
    mclip: 1,
    task: 'clip',
    name: 'half',
    dim: 12,
    licence: { id: 'MIT' },
    image: { size: 12, interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] },
    text: {},
    logitScale: 100,
    graphs: { vision: { files: { fp32: { file: 'missing.onnx' }, fp16: file } }, text: { files: { fp16: file } } },
  };
  await writeFile(join(folder, 'mclip.json'), JSON.stringify(manifest));
  const { feeds, expected } = cases['pixels.common-half-io'];
  const plane = 12 * 12;
  const data = Uint8Array.from({ length: 3 * plane }, (_, i) =>
    Math.round(feeds.pixels.data[(i % 3) * plane + Math.floor(i / 3)] * 255),
  );
  const embedder = await createEmbedder({ model: folder });
  const embedding = await embedder.encodeImage({ data, width: 12, height: 12, channels: 3 });
  const right: number[] = expected.embeds.data.slice(0, 12);
  const length = Math.hypot(...right);
  embedding.forEach((value, i) => expect(Math.abs(value - right[i]! / length)).toBeLessThan(most));
  expect(embedder.device.reason).toMatch(reason);
  await embedder.dispose();
});

test('where half precision is what the device computes in, full precision comes first', () => {
  const files = { fp32: { file: 'a', bytes: null, sha256: null }, fp16: { file: 'b', bytes: null, sha256: null } };
  const located = { id: 'x', manifest: { graphs: { vision: { files }, text: { files } } } } as unknown as LocatedModel;
  expect(chooseDtype(located, 'vision')).toBe('fp16');
  expect(chooseDtype(located, 'text', 'auto', 'wasm')).toBe('fp16');
  expect(chooseDtype(located, 'vision', 'auto', 'webgpu')).toBe('fp32');
  expect(chooseDtype(located, 'vision', 'fp32', 'cpu')).toBe('fp32');
});
