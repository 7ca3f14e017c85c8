import { expect, test, vi } from 'vitest';
import { resolveSettings } from '../../src/configure.js';
import type { SelfCheck } from '../../src/model/canary.js';
import { type CheckedLoad, loadChecked } from '../../src/model/self-check.js';
import type { DeviceName, Platform } from '../../src/platform.js';
import { VERSION } from '../../src/version.js';
import { rejection } from '../thrown.js';

const RIGHT = Float32Array.of(0.6, 0.8);
const WRONG = Float32Array.of(0.8, -0.6);

const engine = () => ({ stopped: null, dispose: vi.fn(async () => {}), abandon: async () => {} });

/** Answers by device; what was loaded with which check; the driver's version is part of what a device is. */
function machine(answers: Partial<Record<DeviceName, Float32Array>>) {
  const store = new Map<string, Float32Array>();
  const loads: [DeviceName, SelfCheck | null][] = [];
  const asked: DeviceName[] = [];
  const driver = { version: '1' };
  const [own, another] = [engine(), engine()];
  const platform = {
    supportedDevices: ['cpu', 'cuda'],
    deviceFacts: async (device: DeviceName) => ({ identity: device + driver.version }),
    readEmbeddings: async (keys: string[]) => keys.map((key) => store.get(key) ?? null),
    writeEmbeddings: async (entries: [string, Float32Array][]) => {
      for (const [key, value] of entries) store.set(key, value);
    },
  } as unknown as Platform;
  const run = (options: Partial<CheckedLoad> = {}) =>
    loadChecked({
      platform,
      settings: resolveSettings({}),
      device: 'cuda',
      what: 'vision graph',
      dtype: 'fp32',
      sha256: 'abc',
      expected: RIGHT,
      again: false,
      engine: own,
      startAnother: async () => another,
      async load(engine, device, check) {
        if (engine === own) loads.push([device, check]);
        else asked.push(device);
        return check && answers[device]!;
      },
      ...options,
    });
  return { run, loads, asked, store, driver, own, another };
}

const checks = (loads: [DeviceName, SelfCheck | null][]) => loads.map(([, check]) => check !== null);

test('a device answers once per file, form, driver and version of this library', async () => {
  const { run, loads, driver, store } = machine({ cuda: RIGHT });
  await run();
  await run();
  expect(checks(loads)).toEqual([true, false]);
  expect(loads[0]).toEqual(['cuda', { expected: RIGHT, least: 0.999 }]);
  await run({ sha256: 'def' });
  await run({ dtype: 'fp16' });
  driver.version = '2';
  await run();
  expect(checks(loads)).toEqual([true, false, true, true, true]);
  for (const key of store.keys()) expect(JSON.parse(key)).toContain(VERSION);
});

test('a wrong answer is an error with the way out, and is remembered', async () => {
  const { run, loads } = machine({ cuda: WRONG });
  const { message } = await rejection('DEVICE_UNAVAILABLE', run());
  expect(message).toContain('vision graph');
  expect(message).toContain("'auto'");
  await rejection('DEVICE_UNAVAILABLE', run());
  expect(loads).toHaveLength(1); // not loaded a second time
});

test('an answer that is no number is wrong, and is remembered', async () => {
  const { run, loads } = machine({ cuda: new Float32Array(2) });
  await rejection('DEVICE_UNAVAILABLE', run());
  await rejection('DEVICE_UNAVAILABLE', run());
  expect(loads).toHaveLength(1);
});

test('a file without a hash is checked every time', async () => {
  const { run, loads, store } = machine({ cuda: RIGHT });
  await run({ sha256: null });
  await run({ sha256: null });
  expect(checks(loads)).toEqual([true, true]);
  expect(store.size).toBe(0);
});

test('a device that failed while running answers again', async () => {
  const { run, loads } = machine({ cuda: RIGHT });
  await run();
  await run({ again: true });
  expect(checks(loads)).toEqual([true, true]);
});

test('without a canary the CPU is asked, once', async () => {
  const { run, loads, asked, own, another } = machine({ cpu: RIGHT, cuda: WRONG });
  await rejection('DEVICE_UNAVAILABLE', run({ expected: null }));
  await rejection('DEVICE_UNAVAILABLE', run({ expected: null, again: true }));
  expect(asked).toEqual(['cpu']);
  expect([own, another].map(({ dispose }) => dispose.mock.calls.length)).toEqual([0, 1]);
  expect(loads.map(([device]) => device)).toEqual(['cuda', 'cuda']);
});

test('the CPU without a canary is not asked anything', async () => {
  const { run, loads, asked } = machine({ cpu: RIGHT });
  await run({ device: 'cpu', expected: null });
  await run({ device: 'cpu', dtype: 'q8' }); // whose answers differ from the canary's by their own nature
  expect(checks(loads)).toEqual([false, false]);
  expect(asked).toEqual([]);
});

test('the CPU with a canary is checked like any other', async () => {
  const { run } = machine({ cpu: WRONG });
  const { message } = await rejection('DEVICE_UNAVAILABLE', run({ device: 'cpu' }));
  expect(message).toContain('export it again');
});
