import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chooseVlmDtypes } from '../../src/vlm/choose-vlm-dtype.js';
import { parseVlmManifest } from '../../src/vlm/vlm-manifest.js';

const TINY = new URL('../../../node/test/fixtures/tiny-vlm/mclip.json', import.meta.url);
const manifest = parseVlmManifest(JSON.parse(readFileSync(TINY, 'utf8')));
const located = { id: 'tiny', manifest } as Parameters<typeof chooseVlmDtypes>[0];

test("'auto' has its vision encoder in 8-bit arithmetic on the CPU of Node.js only", () => {
  const vision = (device: Parameters<typeof chooseVlmDtypes>[1]) => chooseVlmDtypes(located, device).vision;
  expect([vision('cpu'), vision('wasm'), vision('webgpu')]).toEqual(['q8', 'w8', 'w8']);
  expect(chooseVlmDtypes(located, 'wasm', { vision: 'q8' }).vision).toBe('q8');
});

test('a model that has it in 8 bits alone is taken on every device', () => {
  const graphs = {
    ...manifest.graphs,
    vision: { ...manifest.graphs.vision, files: { q8: { file: 'a', bytes: 1, sha256: null } } },
  };
  const only = { ...located, manifest: { ...manifest, graphs } } as typeof located;
  for (const device of ['cpu', 'wasm', 'webgpu'] as const) expect(chooseVlmDtypes(only, device).vision).toBe('q8');
});
