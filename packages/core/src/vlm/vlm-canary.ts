/** The self-check of a captioner: the logits of the first token that follows a generated picture and a question. */
import type { Tensor } from 'onnxruntime-common';
import { type PreprocessConfig, preprocessParts } from '../image/preprocess-parts.js';
import { rgbReader } from '../image/raw-reader.js';
import { inputTensor } from '../input-tensor.js';
import { CANARY_TEXT, canaryPicture } from '../model/canary.js';
import { type LanguageModel, prefill } from './generation.js';
import type { Prompts } from './prompt.js';
import type { VlmManifest } from './vlm-manifest.js';

export { failedCheck } from '../model/canary.js';

/** Logits that are compared where a manifest lists none, spread over the vocabulary. */
const SAMPLE = 4096;

export interface CanaryParts {
  manifest: VlmManifest;
  prompts: Prompts;
  model: LanguageModel;
  /** [1, 3, size, size] -> [tokens, hidden] */
  imageFeatures(pixelValues: Tensor, size: number): Promise<Float32Array>;
}

/** Of the tokens that the manifest lists, or of a sample. */
export async function canaryAnswer({ manifest, prompts, model, imageFeatures }: CanaryParts): Promise<Float32Array> {
  const { image, canary, prompt } = manifest;
  const { decoder, rows } = model;
  const size = canary?.size ?? image.sizes[0]!;
  const { mean, std, interpolation } = image;
  const config: PreprocessConfig = { size, fit: 'squash', interpolation, mean, std };
  const picture = { data: canaryPicture(size), width: size, height: size };
  const pixelValues = new Float32Array(3 * size * size);
  await preprocessParts(rgbReader(picture), config, pixelValues);
  const features = await imageFeatures(inputTensor('float32', pixelValues, [1, 3, size, size]), size);
  const before = prompts.beforeImage(prompt.system);
  const embeds = new Float32Array(before.length * decoder.hidden + features.length);
  await rows.read(before, embeds, 0);
  embeds.set(features, before.length * decoder.hidden);
  const prefix = decoder.emptyCache();
  await model.inTurn(() => decoder.extend(embeds, prefix));
  try {
    const { logits, cache } = await prefill(model, prompts.firstQuestion(canary?.question ?? CANARY_TEXT), prefix, 0);
    cache.dispose();
    const step = Math.ceil(logits.length / SAMPLE);
    return canary === null
      ? logits.filter((_, id) => id % step === 0)
      : Float32Array.from(canary.best, (id) => logits[id] ?? 0);
  } finally {
    prefix.dispose();
  }
}
