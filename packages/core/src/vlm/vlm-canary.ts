/** The self-check of a captioner: the logits of the first token that follows a generated picture and a question. */
import { type PreprocessConfig, preprocessParts } from '../image/preprocess-parts.js';
import { rgbReader } from '../image/raw-reader.js';
import { inputTensor } from '../input-tensor.js';
import { CANARY_TEXT, canaryPicture, failedCheck } from '../model/canary.js';
import { isReference } from '../model/device.js';
import { prefill } from './generation.js';
import type { LoadedVlm } from './loaded-vlm.js';
import { picturePrefix } from './picture-prefix.js';
import type { VlmManifest } from './vlm-manifest.js';

export { isRight } from '../model/canary.js';

/** Logits that are compared where a manifest lists none, spread over the vocabulary. */
const SAMPLE = 4096;

/** @throws {MclipError} what goes wrong on the reference; elsewhere a failed check of the device */
export function canaryAnswer(loaded: LoadedVlm, manifest: VlmManifest): Promise<Float32Array> {
  const { device } = loaded;
  return firstLogits(loaded, manifest).catch((cause) => {
    throw isReference(device) ? cause : failedCheck(device, `it cannot run the model (${cause})`, cause);
  });
}

/** Of the tokens that the manifest lists, or of a sample. */
async function firstLogits({ vision, prompts, model }: LoadedVlm, manifest: VlmManifest): Promise<Float32Array> {
  const { image, canary, prompt } = manifest;
  const size = canary?.size ?? image.sizes[0]!;
  const { mean, std, interpolation } = image;
  const config: PreprocessConfig = { size, fit: 'squash', interpolation, mean, std };
  const picture = { data: canaryPicture(size), width: size, height: size };
  const pixelValues = inputTensor('float32', new Float32Array(3 * size * size), [1, 3, size, size]);
  await preprocessParts(rgbReader(picture), config, pixelValues.data);
  const features = await model.inTurn(() => vision.features(pixelValues, size));
  const prefix = await picturePrefix(model, prompts.beforeImage(prompt.system), features);
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
