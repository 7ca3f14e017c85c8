import { expect, test } from 'vitest';
import { autoDevices, type Workload } from '../../src/model/auto-devices.js';
import type { DeviceFacts, Platform } from '../../src/platform.js';

function browser(gpu: Partial<DeviceFacts> = {}) {
  const asked: string[] = [];
  const platform = {
    autoDevices: () => ['webgpu', 'wasm'],
    async deviceFacts(device: string) {
      asked.push(device);
      return { identity: '', half: true, unfit: null, memoryBytes: null, ...gpu };
    },
  } as unknown as Platform;
  return { platform, asked };
}

const large: Workload = { bytes: 340e6, dtype: 'fp32', totalBytes: 340e6 };

test('a large network goes to the GPU first', async () => {
  expect(await autoDevices(browser().platform, large)).toEqual({ devices: ['webgpu', 'wasm'], rejected: [] });
});

test.each<[string, Workload]>([
  ['fp32', { bytes: 45.6e6, dtype: 'fp32', totalBytes: null }],
  ['w8', { bytes: 36e6, dtype: 'w8', totalBytes: null }],
  ['q4', { bytes: 20e6, dtype: 'q4', totalBytes: null }],
])('a small network stays on wasm, by weights and not by bytes (%s)', async (_, work) => {
  const { platform, asked } = browser();
  const { devices, rejected } = await autoDevices(platform, work);
  expect(devices).toEqual(['wasm']);
  expect(rejected).toEqual([{ name: 'webgpu', why: expect.stringMatching(/million weights.*benchmark/) }]);
  expect(asked).toEqual([]); // no adapter is woken up for it
});

test('as many bytes in fewer bits are more weights', async () => {
  const work: Workload = { bytes: 45.6e6, dtype: 'q4', totalBytes: null };
  expect((await autoDevices(browser().platform, work)).devices).toEqual(['webgpu', 'wasm']);
});

test('an adapter in software is left out, also of a benchmark', async () => {
  const { platform } = browser({ unfit: 'emulated' });
  const expected = { devices: ['wasm'], rejected: [{ name: 'webgpu', why: 'emulated' }] };
  expect(await autoDevices(platform, large)).toEqual(expected);
  expect(await autoDevices(platform, large, true)).toEqual(expected);
});

test('a machine with little memory is spared', async () => {
  const { platform } = browser({ memoryBytes: 2 ** 30 });
  const { devices, rejected } = await autoDevices(platform, { ...large, totalBytes: 600e6 });
  expect(devices).toEqual(['wasm']);
  expect(rejected[0]!.why).toContain('1.0 GB of memory');
  expect((await autoDevices(platform, { ...large, totalBytes: 300e6 })).devices).toEqual(['webgpu', 'wasm']);
});

test('a benchmark looks at small networks too', async () => {
  const work: Workload = { bytes: 2e6, dtype: 'w8', totalBytes: null };
  expect((await autoDevices(browser().platform, work, true)).devices).toEqual(['webgpu', 'wasm']);
});
