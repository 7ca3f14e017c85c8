/** The steps of preprocess-parts.ts on a picture that is held whole, with everything checked: for people's own pipelines. */
import { invalid } from '../errors.js';
import { normalize, type PreprocessConfig, squarePlan } from './preprocess-parts.js';
import { checkInterpolation, resizeWindow } from './resize.js';
import { checkRgbImage, type RgbImage, type RgbImageLike } from './rgb-image.js';

/** Largest `size`: pixelValues then stay below 1 GiB. */
const MAX_SIZE = 8192;

/**
 * The model input of one picture. [3 * size * size], the red plane first
 * @throws MclipError `INVALID_ARGUMENT` for a malformed picture or configuration.
 */
export function preprocess(image: RgbImageLike, config: PreprocessConfig): Float32Array<ArrayBuffer> {
  checkConfig(config);
  const pixelValues = new Float32Array(3 * config.size * config.size);
  preprocessInto(image, config, pixelValues, 0);
  return pixelValues;
}

/**
 * Writes the model input of one picture into a batch: `3 * size * size` values of `target` from `offset` on.
 * @throws MclipError `INVALID_ARGUMENT` for a malformed picture or configuration, or when the values do not fit;
 * `target` is then untouched.
 */
export function preprocessInto(
  image: RgbImageLike,
  config: PreprocessConfig,
  target: Float32Array,
  offset: number,
): void {
  checkConfig(config);
  const length = 3 * config.size * config.size;
  if (!Number.isInteger(offset) || offset < 0 || offset + length > target.length) {
    throw invalid(`Expected room for ${length} values from offset ${offset}, got ${target.length} values.`);
  }
  normalize(fitToSquare(image, config).data, config, target, offset);
}

/** The bytes that `preprocess` normalises: the picture cropped, padded or squashed to `size` x `size`. */
export function fitToSquare(image: RgbImageLike, config: PreprocessConfig): RgbImage {
  checkConfig(config);
  const source = checkRgbImage(image);
  return resizeWindow(source, squarePlan(source, config));
}

function checkConfig(config: PreprocessConfig): void {
  if (typeof config !== 'object' || config === null) {
    throw invalid(`Expected a preprocessing configuration, got ${String(config)}.`);
  }
  const { size, fit, interpolation, mean, std } = config;
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    throw invalid(`Expected size to be a whole number of pixels from 1 to ${MAX_SIZE}, got ${String(size)}.`);
  }
  if (fit !== 'crop' && fit !== 'pad' && fit !== 'squash') {
    throw invalid(`Expected fit 'crop', 'pad' or 'squash', got ${JSON.stringify(fit)}.`);
  }
  checkInterpolation(interpolation);
  if (!isTriple(mean)) throw invalid(`Expected mean to be three finite numbers, got ${JSON.stringify(mean)}.`);
  if (!isTriple(std) || std.some((value) => Math.fround(value) === 0)) {
    throw invalid(`Expected std to be three finite numbers other than 0, got ${JSON.stringify(std)}.`);
  }
  if (fit === 'pad' && mean.some((value) => value < 0 || value > 1)) {
    throw invalid(`Expected mean between 0 and 1 with fit 'pad', got ${JSON.stringify(mean)}.`);
  }
}

function isTriple(values: unknown): boolean {
  return Array.isArray(values) && values.length === 3 && values.every(Number.isFinite);
}
