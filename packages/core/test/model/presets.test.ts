import { expect, test } from 'vitest';
import { parseManifest } from '../../src/model/manifest.js';
import { presets, unexported } from '../../src/model/presets.js';

const ZERO_ONE = { mean: [0, 0, 0], std: [1, 1, 1] };
const OPENAI = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };

// side, dimensions and preprocessing of the reference (apple/ml-mobileclip and open_clip configs)
const REFERENCE = {
  'mobileclip-s0': { size: 256, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip-s1': { size: 256, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip-s2': { size: 256, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip-b': { size: 224, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip-blt': { size: 224, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip2-s0': { size: 256, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip2-s2': { size: 256, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip2-b': { size: 224, dim: 512, interpolation: 'bilinear', ...ZERO_ONE },
  'mobileclip2-l14': { size: 224, dim: 768, interpolation: 'bicubic', ...OPENAI },
};

test('the presets are those with public ONNX files', () => {
  expect(Object.keys(presets).sort()).toEqual(Object.keys(REFERENCE).sort());
  expect(unexported.filter((name) => name in presets)).toEqual([]);
  expect(unexported).toEqual(expect.arrayContaining(['mobileclip2-s3', 'mobileclip2-s4']));
});

test.each(Object.entries(REFERENCE))('%s is prepared as its reference is', (name, { dim, ...image }) => {
  const { manifest } = presets[name]!;
  expect(manifest.name).toBe(name);
  expect(manifest.dim).toBe(dim);
  expect(manifest.image).toEqual({ fit: 'crop', ...image });
});

test.each(Object.keys(REFERENCE))('%s pads text with id 0 to 77 and scales by 100', (name) => {
  const { text, logitScale, logitBias, scores } = presets[name]!.manifest;
  expect(text).toEqual({ tokenizer: 'clip', contextLength: 77, padId: 0 });
  expect({ logitScale, logitBias, scores }).toEqual({ logitScale: 100, logitBias: null, scores: 'softmax' });
});

test.each(Object.entries(presets))('the manifest of %s passes the parser unchanged', (_, { manifest }) => {
  const json = JSON.parse(JSON.stringify({ mclip: 1, ...manifest }));
  expect(parseManifest(json)).toEqual(manifest);
});

test('towers of convolutions are not offered in q4', () => {
  for (const [name, { manifest }] of Object.entries(presets)) {
    const transformer = /-(b|blt|l14)$/.test(name);
    if (!transformer) expect(manifest.graphs.vision.files, name).not.toHaveProperty('q4');
  }
  expect(presets['mobileclip-b']!.manifest.graphs.vision.files).toHaveProperty('q4');
});

test('files have the names of their repositories', () => {
  const files = (name: string, graph: 'vision' | 'text') => {
    const { folder, manifest } = presets[name]!;
    return Object.entries(manifest.graphs[graph].files).map(([dtype, { file }]) => [dtype, folder + file]);
  };
  expect(files('mobileclip-s0', 'vision')).toEqual([
    ['fp32', 'onnx/vision_model.onnx'],
    ['fp16', 'onnx/vision_model_fp16.onnx'],
    ['q8', 'onnx/vision_model_quantized.onnx'],
  ]);
  expect(files('mobileclip-b', 'text')).toEqual([
    ['fp32', 'onnx/text_model.onnx'],
    ['fp16', 'onnx/text_model_fp16.onnx'],
    ['q8', 'onnx/text_model_quantized.onnx'],
    ['q4', 'onnx/text_model_q4.onnx'],
  ]);
  expect(files('mobileclip2-l14', 'vision')).toEqual([['fp32', 'onnx/l14/vision_model.onnx']]);
  expect(files('mobileclip2-s0', 'text')).toEqual([['fp32', 'onnx/s0/text_model.onnx']]);
});

test("every preset carries the licence of Apple's weights", () => {
  for (const { manifest } of Object.values(presets)) {
    expect(manifest.licence.id).toBe('apple-amlr');
    expect(manifest.licence.notice).toMatch(/research/i);
    expect(manifest.licence.notice).toMatch(/no commercial use/i);
  }
});
