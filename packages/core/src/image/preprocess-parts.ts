/**
 * RGB bytes to the input of a vision model: fit to a square, rescale to 0..1, normalise, channels first.
 * Bytes are Pillow's and floats are torchvision's, bit for bit.
 * References: open_clip `image_transform_v2` (crop, squash), LLaVA `expand2square` and CLIP's bicubic resize (pad),
 * torchvision `ToTensor` and `Normalize`. Leaves out training-time augmentation.
 */
import type { Interpolation } from './coefficients.js';
import {
  type CropOffset,
  centerCropWindow,
  type Fit,
  type Size,
  shortestEdgeSize,
  squarePlacement,
} from './geometry.js';
import type { PixelReader } from './pixel-reader.js';
import { resizeParts } from './resize-parts.js';
import type { ResizePlan } from './resize-plan.js';

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

/**
 * The model input of one picture that is read in parts, [3 * size * size], the red plane first; `target` is filled from its
 * start. The configuration is a manifest's, which was checked.
 * @throws the signal's reason; `target` is then untouched.
 */
export async function preprocessParts(
  picture: PixelReader,
  config: PreprocessConfig,
  target: Float32Array,
  signal?: AbortSignal,
): Promise<void> {
  normalize((await resizeParts(picture, squarePlan(picture, config), signal)).data, config, target, 0);
}

/** The whole square, and which part of the picture it is. */
export function squarePlan(
  picture: Size,
  { size, fit, interpolation, mean, cropOffset }: PreprocessConfig,
): ResizePlan {
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
export function normalize(
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
