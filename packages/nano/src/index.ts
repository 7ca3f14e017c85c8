/** Tiny models trained by the mclip project: for demos, tests and offline starts, not for photographs. */
import type { BundledModel } from '@mclip/core';
import clipManifest from '../models/clip/mclip.json' with { type: 'json' };

/**
 * A CLIP of 64 x 64 pixels trained on emoji art (see models/clip/MODEL_CARD.md). Give it as `model`; its files are
 * read when a classifier or embedder is created.
 */
export const nanoClip: BundledModel = {
  manifest: clipManifest,
  fileUrl: (file) => CLIP_FILES[file]!(),
};

// written out, so that bundlers see each file and emit it
const CLIP_FILES: Record<string, () => URL> = {
  'vision.w8.onnx': () => new URL('../models/clip/vision.w8.onnx', import.meta.url),
  'text.w8.onnx': () => new URL('../models/clip/text.w8.onnx', import.meta.url),
};
