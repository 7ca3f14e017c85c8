import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { kernelSpeed } from '../../core/src/vlm/kernel-speed.js';
import { productGraph } from '../../core/src/vlm/product-graph.js';
import { nodeRuntime } from '../src/runtime.js';

test.each(['q8', 'q4'] as const)('the product in %s is a graph that onnxruntime runs', async (form) => {
  const session = await InferenceSession.create(productGraph(form, 64, 300));
  expect(session.inputMetadata).toMatchObject([{ name: 'x', type: 'float32', shape: ['rows', 64] }]);
  const { y } = await session.run({ x: new Tensor('float32', new Float32Array(5 * 64).fill(3), [5, 64]) });
  expect(y!.dims).toEqual([5, 300]);
  await session.release();
});

test('both forms are timed', async () => {
  const { q8, q4 } = await kernelSpeed(nodeRuntime, { device: 'cpu', numThreads: 1 });
  expect(q8).toBeGreaterThan(0);
  expect(q4).toBeGreaterThan(0);
});
