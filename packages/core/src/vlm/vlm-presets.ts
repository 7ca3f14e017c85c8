/**
 * Vision-language models that can be named in one word, as `presets` is for CLIP: the manifest of a public ONNX
 * repository as it is today. Weights are Apple's, under `apple-amlr`: research only. Nothing of them is bundled here.
 */
import type { Dtype, ManifestGraph } from '../model/manifest.js';
import type { Preset } from '../model/presets.js';
import type { VlmManifest } from './vlm-manifest.js';

const SUFFIXES: Record<Dtype, string> = {
  fp32: '',
  fp16: '_fp16',
  w8: '_w8',
  q8: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
};

function graph(stem: string, dtypes: Dtype[], input: string | null, output: string | null): ManifestGraph {
  const file = (dtype: Dtype) => ({ file: `onnx/${stem}${SUFFIXES[dtype]}.onnx`, bytes: null, sha256: null });
  return { input, output, files: Object.fromEntries(dtypes.map((dtype) => [dtype, file(dtype)])) };
}

const fastvlm05b: VlmManifest = {
  name: 'fastvlm-0.5b',
  task: 'vlm',
  licence: {
    id: 'apple-amlr',
    notice:
      'Apple Machine Learning Research Model License: research purposes only, no commercial use or product development.',
  },
  image: {
    size: 1024,
    sizes: [1024],
    patch: 64,
    fit: 'pad',
    interpolation: 'bicubic',
    mean: [0, 0, 0],
    std: [1, 1, 1],
  },
  tokenizer: { file: 'tokenizer.json', sha256: null },
  prompt: {
    format: 'qwen2',
    system: 'You are a helpful assistant.',
    caption: 'Describe the image in one sentence.',
    stop: ['<|im_end|>', '<|endoftext|>'],
  },
  decoder: { hidden: 896, layers: 24, kvHeads: 2, headDim: 64, contextLength: 8192, logits: 'all' },
  embedding: null,
  graphs: {
    vision: graph('vision_encoder', ['fp32', 'fp16'], 'pixel_values', 'image_features'),
    decoder: graph('decoder_model_merged', ['fp32', 'fp16', 'q8', 'q4', 'q4f16'], null, null),
    embed: graph('embed_tokens', ['fp32', 'fp16'], 'input_ids', 'inputs_embeds'),
  },
  canary: null,
};

/** By preset name. */
export const vlmPresets: Readonly<Record<string, Preset<VlmManifest>>> = {
  'fastvlm-0.5b': { repo: 'onnx-community/FastVLM-0.5B-ONNX', revision: 'main', folder: '', manifest: fastvlm05b },
};

/** Published by Apple as PyTorch checkpoints only: they must be exported first. */
export const unexported: readonly string[] = ['fastvlm-1.5b', 'fastvlm-7b'];
