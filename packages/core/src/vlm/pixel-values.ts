import type { TypedTensor } from 'onnxruntime-common';
import { withPicture } from '../image/pixel-reader.js';
import { type PreprocessConfig, preprocessParts } from '../image/preprocess-parts.js';
import { inputTensor } from '../input-tensor.js';
import type { Runtime } from '../platform.js';
import type { EncodeRequest, EncodeTimings } from './engine.js';
import type { VlmManifest } from './vlm-manifest.js';

export interface PixelValues extends Omit<EncodeTimings, 'visionMs'> {
  /** [1, 3, size, size] */
  pixelValues: TypedTensor<'float32'>;
}

/** What the vision encoder sees of a picture: decoded, then preprocessed. */
export async function pixelValuesOf(
  { source, size, fit }: EncodeRequest,
  { mean, std, interpolation }: VlmManifest['image'],
  runtime: Runtime,
  maxPixels: number,
  signal: AbortSignal | undefined,
): Promise<PixelValues> {
  const start = performance.now();
  let decoded = start;
  const pixelValues = inputTensor('float32', new Float32Array(3 * size * size), [1, 3, size, size]);
  if (source instanceof Float32Array) pixelValues.data.set(source);
  else {
    const config: PreprocessConfig = { size, fit, interpolation, mean, std, cropOffset: 'floor' };
    await withPicture(runtime, source, { maxPixels, fast: false, size, fit }, signal, (picture) => {
      decoded = performance.now();
      return preprocessParts(picture, config, pixelValues.data, signal);
    });
  }
  return { pixelValues, decodeMs: decoded - start, preprocessMs: performance.now() - decoded };
}
