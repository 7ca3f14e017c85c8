import { expect, test } from 'vitest';
import { resolveSettings } from '../../src/configure.js';
import type { Platform } from '../../src/platform.js';
import type { VlmEngine } from '../../src/vlm/engine.js';
import { fasterDecoder } from '../../src/vlm/faster-decoder.js';

function machine(speed: { q8: number; q4: number }) {
  const kept = new Map<string, Float32Array>();
  let measured = 0;
  let cpu = 'some cpu';
  const platform = {
    threads: () => ({ count: 2, limitedBy: null }),
    deviceFacts: async () => ({ identity: cpu, half: true, unfit: null, memoryBytes: null }),
    readEmbeddings: async (keys: string[]) => keys.map((key) => kept.get(key) ?? null),
    writeEmbeddings: async (entries: [string, Float32Array][]) => {
      for (const [key, value] of entries) kept.set(key, value);
    },
  } as unknown as Platform;
  const engine = {
    kernelSpeed: async () => {
      measured++;
      return speed;
    },
  } as unknown as VlmEngine;
  return {
    choose: () => fasterDecoder(platform, resolveSettings({}), 'cpu', engine),
    measured: () => measured,
    moveTo: (other: string) => {
      cpu = other;
    },
  };
}

test('the form whose caption would be done first, and why', async () => {
  const q4 = await machine({ q8: 170, q4: 71 }).choose();
  expect(q4).toEqual({ dtype: 'q4', why: 'q4 as the quicker decoder here (test product 71 against 170 ms)' });
  expect((await machine({ q8: 70, q4: 71 }).choose()).dtype).toBe('q8');
});

test('measured once per processor', async () => {
  const one = machine({ q8: 170.25, q4: 71.5 });
  const first = await one.choose();
  expect(await one.choose()).toEqual(first);
  expect(one.measured()).toBe(1);
  one.moveTo('another cpu');
  await one.choose();
  expect(one.measured()).toBe(2);
});
