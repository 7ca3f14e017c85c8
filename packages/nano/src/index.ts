/** Tiny models trained by the mclip project: for demos, tests and offline starts, not for photographs. */
import type { BundledModel } from '@mclip/core';
import clipManifest from '../models/clip/mclip.json' with { type: 'json' };
import vlmManifest from '../models/vlm/mclip.json' with { type: 'json' };

/**
 * A CLIP of 64 x 64 pixels trained on emoji art (see models/clip/MODEL_CARD.md). Give it as `model`; its files are
 * read when a classifier or embedder is created.
 */
export const nanoClip: BundledModel = {
  manifest: clipManifest,
  fileUrl: (file) => CLIP_FILES[file]!(),
};

/**
 * A FastVLM of 64 x 64 pixels and three layers trained on emoji art (see models/vlm/MODEL_CARD.md): it names and
 * describes drawings and answers simple questions. Give it as `model`; its files are read when a captioner is created.
 */
export const nanoVlm: BundledModel = {
  manifest: vlmManifest,
  fileUrl: (file) => VLM_FILES[file]!(),
};

// written out, so that bundlers see each file and emit it
const CLIP_FILES: Record<string, () => URL> = {
  'vision.w8.onnx': () => new URL('../models/clip/vision.w8.onnx', import.meta.url),
  'text.w8.onnx': () => new URL('../models/clip/text.w8.onnx', import.meta.url),
};

const VLM_FILES: Record<string, () => URL> = {
  'vision_encoder.w8.onnx': () => new URL('../models/vlm/vision_encoder.w8.onnx', import.meta.url),
  'decoder_model_merged.w8.onnx': () => new URL('../models/vlm/decoder_model_merged.w8.onnx', import.meta.url),
  'embed_tokens.fp16.bin': () => new URL('../models/vlm/embed_tokens.fp16.bin', import.meta.url),
  'tokenizer.json': () => new URL('../models/vlm/tokenizer.json', import.meta.url),
};
