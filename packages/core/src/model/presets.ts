/**
 * Models that can be named in one word. Each carries the manifest for a public ONNX repository as it is today;
 * preprocessing is the reference's (apple/ml-mobileclip, open_clip), whatever a repository's own config says.
 * Hashes and sizes are null: they come from the hub's own listing at the pinned revision.
 *
 * Weights are Apple's, under `apple-amlr`: research only, no commercial use. Nothing of them is bundled here.
 */
import type { Dtype, ImageConfig, Manifest, ManifestGraph } from './manifest.js';

export interface Preset<M = Manifest> {
  /** Repository on the hub. */
  repo: string;
  revision: string;
  /** Folder inside the repository that the manifest's files are relative to, '' or ending in '/'. */
  folder: string;
  manifest: M;
}

const OPENAI_MEAN: ImageConfig['mean'] = [0.48145466, 0.4578275, 0.40821073];
const OPENAI_STD: ImageConfig['std'] = [0.26862954, 0.26130258, 0.27577711];
const ZERO: ImageConfig['mean'] = [0, 0, 0];
const ONE: ImageConfig['std'] = [1, 1, 1];

const LICENCE = {
  id: 'apple-amlr',
  notice:
    'Apple Machine Learning Research Model License: research purposes only, no commercial use or product development.',
};

function graph(output: string, input: string, stem: string, suffixes: Partial<Record<Dtype, string>>): ManifestGraph {
  const files = Object.entries(suffixes).map(([dtype, suffix]) => [
    dtype,
    { file: `${stem}${suffix}.onnx`, bytes: null, sha256: null },
  ]);
  return { input, output, files: Object.fromEntries(files) };
}

function manifest(
  name: string,
  image: Pick<ImageConfig, 'size'> & Partial<ImageConfig>,
  dim: number,
  visionDtypes: Partial<Record<Dtype, string>>,
  textDtypes: Partial<Record<Dtype, string>>,
): Manifest {
  return {
    name,
    task: 'clip',
    dim,
    licence: LICENCE,
    image: { fit: 'crop', interpolation: 'bilinear', mean: ZERO, std: ONE, ...image },
    text: { tokenizer: 'clip', contextLength: 77, padId: 0 },
    logitScale: 100,
    logitBias: null,
    scores: 'softmax',
    graphs: {
      vision: graph('image_embeds', 'pixel_values', 'vision_model', visionDtypes),
      text: graph('text_embeds', 'input_ids', 'text_model', textDtypes),
    },
    canary: null,
  };
}

// q4 hardly shrinks a convolutional tower and int8 *compute* towers collapse (docs/models.md): q8 is only there by name
const CONV_VISION = { fp32: '', fp16: '_fp16', q8: '_quantized' };
const VIT_VISION = { ...CONV_VISION, q4: '_q4' };
const TEXT = { fp32: '', fp16: '_fp16', q8: '_quantized', q4: '_q4' };

function mobileclip(name: string, repo: string, size: number, vision: Partial<Record<Dtype, string>>): Preset {
  return {
    repo: `Xenova/${repo}`,
    revision: 'main',
    folder: 'onnx/',
    manifest: manifest(name, { size }, 512, vision, TEXT),
  };
}

function mobileclip2(
  name: string,
  folder: string,
  image: Pick<ImageConfig, 'size'> & Partial<ImageConfig>,
  dim: number,
): Preset {
  return {
    repo: 'plhery/mobileclip2-onnx',
    revision: 'ba95759a5bdbaca53e9111e2550a76ec09c8fd9e',
    folder: `onnx/${folder}/`,
    manifest: manifest(name, image, dim, { fp32: '' }, { fp32: '' }),
  };
}

/** By preset name. */
export const presets: Readonly<Record<string, Preset>> = {
  'mobileclip-s0': mobileclip('mobileclip-s0', 'mobileclip_s0', 256, CONV_VISION),
  'mobileclip-s1': mobileclip('mobileclip-s1', 'mobileclip_s1', 256, CONV_VISION),
  'mobileclip-s2': mobileclip('mobileclip-s2', 'mobileclip_s2', 256, CONV_VISION),
  'mobileclip-b': mobileclip('mobileclip-b', 'mobileclip_b', 224, VIT_VISION),
  'mobileclip-blt': mobileclip('mobileclip-blt', 'mobileclip_blt', 224, VIT_VISION),
  'mobileclip2-s0': mobileclip2('mobileclip2-s0', 's0', { size: 256 }, 512),
  'mobileclip2-s2': mobileclip2('mobileclip2-s2', 's2', { size: 256 }, 512),
  'mobileclip2-b': mobileclip2('mobileclip2-b', 'b', { size: 224 }, 512),
  'mobileclip2-l14': mobileclip2(
    'mobileclip2-l14',
    'l14',
    { size: 224, interpolation: 'bicubic', mean: OPENAI_MEAN, std: OPENAI_STD },
    768,
  ),
};

/** Published by Apple as PyTorch checkpoints only: they must be exported first. */
export const unexported: readonly string[] = [
  'mobileclip-s3',
  'mobileclip-s4',
  'mobileclip-l14',
  'mobileclip2-s3',
  'mobileclip2-s4',
];
