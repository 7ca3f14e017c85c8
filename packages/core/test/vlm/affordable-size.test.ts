import { expect, test } from 'vitest';
import { resolveSettings } from '../../src/configure.js';
import type { Platform } from '../../src/platform.js';
import { affordableSize } from '../../src/vlm/affordable-size.js';
import type { VlmEngine } from '../../src/vlm/engine.js';
import type { VlmManifest } from '../../src/vlm/vlm-manifest.js';

const manifest = {
  name: 'model',
  image: { size: 1024, sizes: [256, 512, 768, 1024] },
  graphs: { vision: { files: { w8: { sha256: 'abc' } } } },
} as unknown as VlmManifest;

/** @param ms of the vision encoder at the smallest size */
function browser(ms: number) {
  const kept = new Map<string, Float32Array>();
  const asked: number[] = [];
  const platform = {
    threads: () => ({ count: 1, limitedBy: null }),
    deviceFacts: async () => ({ identity: 'a browser', half: true, unfit: null, memoryBytes: null }),
    readEmbeddings: async (keys: string[]) => keys.map((key) => kept.get(key) ?? null),
    writeEmbeddings: async (entries: [string, Float32Array][]) => {
      for (const [key, value] of entries) kept.set(key, value);
    },
  } as unknown as Platform;
  const engine = {
    visionMs: async (size: number) => {
      asked.push(size);
      return ms;
    },
  } as unknown as VlmEngine;
  return { choose: () => affordableSize({ platform, settings: resolveSettings({}) }, manifest, engine), asked };
}

test.each([
  [375, 1024],
  [376, 768],
  [666, 768],
  [667, 512],
  [1500, 512],
  [1501, 256],
  [60_000, 256],
])('%i ms at 256 px: pictures at %i', async (ms, size) => {
  expect((await browser(ms).choose()).size).toBe(size);
});

test('it says what it expects, and measures once, at the smallest size', async () => {
  const one = browser(1400);
  const { why } = await one.choose();
  expect(why).toBe('pictures at 512 px (about 5.6 s in the vision encoder, 22.4 s at 1024)');
  expect(await one.choose()).toEqual({ size: 512, why });
  expect(one.asked).toEqual([256]);
});
