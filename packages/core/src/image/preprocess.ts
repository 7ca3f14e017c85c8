/**
 * RGB bytes to the input of a vision model: fit to a square, rescale to 0..1, normalise, channels first.
 * Bytes are Pillow's and floats are torchvision's, bit for bit.
 * References: open_clip `image_transform_v2` (crop, squash), LLaVA `expand2square` and CLIP's bicubic resize (pad),
 * torchvision `ToTensor` and `Normalize`. Leaves out training-time augmentation.
 */
import {
  type CropOffset,
  centerCropWindow,
  type Fit,
  type Size,
  shortestEdgeSize,
  squarePlacement,
} from './geometry.js';
import type { PixelReader } from './pixel-reader.js';
import { checkInterpolation, type Interpolation, type ResizePlan, resizeWindow } from './resize.js';
import { resizeParts } from './resize-parts.js';
import { checkRgbImage, invalid, type RgbImage, type RgbImageLike } from './rgb-image.js';

/** How a model wants its pictures; comes from its manifest. */
export interface PreprocessConfig {
  /** Edge of the square input, pixels. */
  readonly size: number;
  readonly fit: Fit;
  readonly interpolation: Interpolation;
  /** Subtracted per channel (red, green, blue) after scaling to 0..1; times 255, also the colour of `pad`. */
  readonly mean: readonly [number, number, number];
  /** Divided by, per channel. */
  readonly std: readonly [number, number, number];
  /** Of `crop`: where an odd margin goes. Default `'round'`. */
  readonly cropOffset?: CropOffset;
}

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

/**
 * The same for a picture that is read in parts; `target` is filled from its start.
 * @throws the signal's reason; `target` is then untouched.
 */
export async function preprocessParts(
  picture: PixelReader,
  config: PreprocessConfig,
  target: Float32Array,
  signal?: AbortSignal,
): Promise<void> {
  checkConfig(config);
  normalize((await resizeParts(picture, squarePlan(picture, config), signal)).data, config, target, 0);
}

/** The bytes that `preprocess` normalises: the picture cropped, padded or squashed to `size` x `size`. */
export function fitToSquare(image: RgbImageLike, config: PreprocessConfig): RgbImage {
  checkConfig(config);
  const source = checkRgbImage(image);
  return resizeWindow(source, squarePlan(source, config));
}

function squarePlan(picture: Size, { size, fit, interpolation, mean, cropOffset }: PreprocessConfig): ResizePlan {
  const square = { width: size, height: size };
  const whole = { x: 0, y: 0, ...square };
  switch (fit) {
    case 'squash':
      return { size: square, window: whole, interpolation };
    case 'pad': {
      const [r, g, b] = mean;
      const fill = [Math.trunc(r * 255), Math.trunc(g * 255), Math.trunc(b * 255)] as const;
      const placement = squarePlacement(picture.width, picture.height);
      return { size: square, window: whole, interpolation, surround: { placement, fill } };
    }
    case 'crop': {
      const resized = shortestEdgeSize(picture.width, picture.height, size);
      return { size: resized, window: centerCropWindow(resized, size, cropOffset), interpolation };
    }
  }
}

/** RGB bytes to planes of floats. */
function normalize(
  data: Uint8Array,
  { size, mean, std }: PreprocessConfig,
  target: Float32Array,
  offset: number,
): void {
  const plane = size * size;
  const [red, green, blue] = mean.map((level, channel) => normalizedLevels(level, std[channel]));
  const end = offset + plane;
  for (let o = offset, i = 0; o < end; o++, i += 3) {
    target[o] = red[data[i]];
    target[o + plane] = green[data[i + 1]];
    target[o + 2 * plane] = blue[data[i + 2]];
  }
}

/** The 256 possible values of one channel, each operation rounded to float32 as torchvision's tensors are. */
function normalizedLevels(mean: number, std: number): Float32Array {
  const levels = new Float32Array(256);
  const mean32 = Math.fround(mean);
  const std32 = Math.fround(std);
  // a float32 operation is the double one rounded: 53 bits are enough for that to be exact
  for (let i = 0; i < 256; i++) levels[i] = Math.fround(Math.fround(i / 255) - mean32) / std32;
  return levels;
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
