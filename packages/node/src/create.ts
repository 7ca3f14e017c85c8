import * as core from '@mclip/core';
import type { ImageSource } from './image-source.js';
import { nodePlatform } from './platform.js';

export type Classifier = core.Classifier<ImageSource>;
export type Embedder = core.Embedder<ImageSource>;
export type Captioner = core.Captioner<ImageSource>;

/**
 * A zero-shot classifier for `labels`, with the model loaded and the labels embedded.
 *
 * Label embeddings are kept in the cache folder, so that the text tower is loaded for labels new to this machine only;
 * with a `LabelSet` never.
 *
 * @throws {core.MclipError} `INVALID_ARGUMENT`, `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `OFFLINE`, `NETWORK`, `STORAGE`,
 * `DEVICE_UNAVAILABLE`, `OUT_OF_MEMORY`; or the signal's own reason.
 */
export function createClassifier(
  labels: readonly string[] | core.LabelSet,
  options: core.ClassifierOptions = {},
): Promise<Classifier> {
  return core.Classifier.create<ImageSource>(nodePlatform, labels, options);
}

/**
 * Images and texts as unit vectors of one space. The text tower is loaded by the first text.
 *
 * @throws {core.MclipError} as `createClassifier`
 */
export function createEmbedder(options: core.ModelOptions = {}): Promise<Embedder> {
  return core.Embedder.create<ImageSource>(nodePlatform, options);
}

/**
 * A captioner: captions, answers and conversations about images, with the model loaded.
 *
 * @throws {core.MclipError} as `createClassifier`
 */
export function createCaptioner(options: core.CaptionerOptions = {}): Promise<Captioner> {
  return core.Captioner.create<ImageSource>(nodePlatform, options);
}

/**
 * A sentence about the image, from the default captioner, which the first call loads. `caption.dispose()` frees it.
 *
 * @throws {core.MclipError} as `createCaptioner` and `captioner.caption`
 */
export const caption = /* @__PURE__ */ core.defaultCaption<ImageSource>(createCaptioner);
