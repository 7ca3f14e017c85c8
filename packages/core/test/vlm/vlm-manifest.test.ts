import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MclipError } from '../../src/errors.js';
import { parseVlmManifest } from '../../src/vlm/vlm-manifest.js';
import { vlmPresets } from '../../src/vlm/vlm-presets.js';
import { thrown } from '../thrown.js';

const file = (name: string) => ({ file: name, bytes: 10, sha256: 'a'.repeat(64) });

function manifest() {
  return {
    mclip: 1,
    task: 'vlm',
    name: 'tiny',
    licence: { id: 'MIT' },
    image: { size: 256, sizes: [256, 128], patch: 64, interpolation: 'bicubic', mean: [0, 0, 0], std: [1, 1, 1] },
    text: { tokenizer: { file: 'tokenizer.json' } },
    prompt: { format: 'qwen2', system: 'Be kind.', stop: ['<|im_end|>'] },
    decoder: { hidden: 64, layers: 2, kvHeads: 2, headDim: 16, contextLength: 512 },
    embedding: { rows: 576, files: { fp16: file('rows.bin') } },
    graphs: {
      vision: { input: 'pixel_values', output: 'image_features', files: { fp32: file('vision.onnx') } },
      decoder: { files: { q4: { ...file('decoder.onnx'), data: file('decoder.onnx.data') } } },
    },
  };
}

/** A fresh manifest with one field changed, given as a path; undefined removes it. */
function changed(path: string, value: unknown): unknown {
  const json: Record<string, unknown> = manifest();
  const parts = path.split('.');
  let at = json;
  for (const part of parts.slice(0, -1)) at = at[part] as Record<string, unknown>;
  at[parts.at(-1)!] = value;
  return json;
}

test("another task's manifest is told as such", () => {
  const clip = { mclip: 1, task: 'clip', name: 'x' };
  expect(thrown('MODEL_CORRUPT', () => parseVlmManifest(clip)).message).toMatch(/task must be vlm, got "clip"/);
});

test('defaults are filled, sizes sorted, external weights kept', () => {
  const parsed = parseVlmManifest(manifest());
  expect(parsed.image).toMatchObject({ fit: 'pad', sizes: [128, 256], patch: 64 });
  expect(parsed.prompt.caption).toBe('Describe the image in one sentence.');
  expect(parsed.tokenizer).toEqual({ file: 'tokenizer.json', sha256: null });
  expect(parsed.graphs.embed).toBeNull();
  expect(parsed.graphs.decoder.files.q4?.data?.file).toBe('decoder.onnx.data');
  expect(parseVlmManifest(changed('image.sizes', undefined)).image.sizes).toEqual([256]);
});

test.each<[string, unknown, string]>([
  ['mclip', 2, 'mclip'],
  ['task', 'clip', 'task'],
  ['image.sizes', [100, 256], 'image.sizes[0]'],
  ['image.sizes', [128], '256'],
  ['image.sizes', [], 'image.sizes'],
  ['image.patch', 512, 'image.patch'],
  ['text.tokenizer', 'clip', 'text.tokenizer'],
  ['text.tokenizer.file', '../tokenizer.json', 'text.tokenizer.file'],
  ['prompt.format', 'llama', 'prompt.format'],
  ['prompt.stop', [], 'prompt.stop'],
  ['decoder.layers', 0, 'decoder.layers'],
  ['decoder.hidden', 1e9, 'decoder.hidden'],
  ['embedding', undefined, 'graphs.embed'],
  ['embedding.files', {}, 'fp32, fp16, q8'],
  ['embedding.rows', -1, 'embedding.rows'],
  ['graphs.decoder.files', {}, 'graphs.decoder.files'],
  ['graphs.decoder.files.q4.data', { file: '/etc/passwd' }, 'data.file'],
])('%s = %j is refused and named', (path, value, expected) => {
  expect(thrown('MODEL_CORRUPT', () => parseVlmManifest(changed(path, value))).message).toContain(expected);
});

test('any JSON is a manifest or a MODEL_CORRUPT error', () => {
  const paths = [
    'name',
    'image',
    'image.mean',
    'prompt',
    'decoder',
    'embedding.files.fp16',
    'graphs',
    'graphs.vision.files',
  ];
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      try {
        parseVlmManifest(changed(path, value));
      } catch (error) {
        expect(MclipError.isInstance(error) && error.code).toBe('MODEL_CORRUPT');
      }
    }),
    { numRuns: 1000 },
  );
});

test('presets pass the parser unchanged', () => {
  for (const { manifest } of Object.values(vlmPresets)) {
    const { tokenizer, embedding, ...rest } = manifest;
    const json = { mclip: 1, ...rest, text: { tokenizer }, ...(embedding && { embedding }) };
    expect(parseVlmManifest(JSON.parse(JSON.stringify(json)))).toEqual(manifest);
    expect(manifest.licence.id).toBe('apple-amlr');
  }
});
