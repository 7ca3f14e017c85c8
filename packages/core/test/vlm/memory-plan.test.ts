import { expect, test } from 'vitest';
import { memoryPlan } from '../../src/vlm/memory-plan.js';

const GB = 2 ** 30;
/** FastVLM-0.5B with an int8 decoder: 596 and 498 MB once unpacked. */
const large = [
  { dtype: 'w8', bytes: 149_336_655 },
  { dtype: 'q8', bytes: 498_493_423 },
] as const;
/** FastVLM-1.5B: 596 and 1,600 MB. */
const larger = [large[0], { dtype: 'q8', bytes: 1_600_000_000 }] as const;
const small = [
  { dtype: 'w8', bytes: 2_000_000 },
  { dtype: 'w8', bytes: 2_500_000 },
] as const;

test("'high' keeps everything, 'low' one graph, on a GPU the decoder with its caches", () => {
  expect(memoryPlan('high', 'wasm', large, 1 * GB)).toBe('both');
  expect(memoryPlan('low', 'cpu', small, 64 * GB)).toBe('one');
  expect(memoryPlan('low', 'webgpu', small, 64 * GB)).toBe('decoder');
});

test("'auto' goes by the memory that loading takes, and that the machine has", () => {
  expect(memoryPlan('auto', 'cpu', large, 8 * GB)).toBe('both');
  expect(memoryPlan('auto', 'cpu', large, 4 * GB)).toBe('decoder');
  expect(memoryPlan('auto', 'cpu', small, 1 * GB)).toBe('both');
  expect(memoryPlan('auto', 'cpu', [{ dtype: 'fp32', bytes: 149_336_655 }], 1 * GB)).toBe('both');
  expect(memoryPlan('auto', 'cpu', [{ dtype: 'w8', bytes: 149_336_655 }], 1 * GB)).toBe('decoder');
});

test('WebAssembly has 4 GB, of which runs need some, whatever the machine has', () => {
  expect(memoryPlan('auto', 'wasm', large, 64 * GB)).toBe('both');
  expect(memoryPlan('auto', 'wasm', large, null)).toBe('both');
  expect(memoryPlan('auto', 'wasm', large, 4 * GB)).toBe('decoder');
  expect(memoryPlan('auto', 'wasm', larger, 64 * GB)).toBe('decoder');
  expect(memoryPlan('auto', 'webgpu', larger, 64 * GB)).toBe('both');
});

test('what is not known is taken as enough, but in WebAssembly', () => {
  expect(memoryPlan('auto', 'cpu', large, null)).toBe('both');
  expect(memoryPlan('auto', 'wasm', small, null)).toBe('both');
  const unknown = [{ dtype: 'q8', bytes: null }] as const;
  expect(memoryPlan('auto', 'cpu', unknown, 8 * GB)).toBe('both');
  expect(memoryPlan('auto', 'wasm', unknown, 8 * GB)).toBe('decoder');
});
