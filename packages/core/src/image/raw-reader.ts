/** Pixels that are held whole as a picture that is read in parts. */
import type { PixelPart, PixelReader } from './pixel-reader.js';
import { rgbFromPixels } from './rgb-from-pixels.js';
import { checkRawPixels, type RawPixels, type RgbImage } from './rgb-image.js';

/** What is held whole is read without copying. */
export function rgbReader({ data, width, height }: RgbImage): PixelReader {
  return wholeReader({ data, width, height, channels: 3 });
}

/**
 * Grey becomes RGB, and what is not opaque is composited on white.
 * @throws MclipError `INVALID_ARGUMENT` as `rgbFromPixels`
 */
export function rawReader(pixels: RawPixels): PixelReader {
  const data = checkRawPixels(pixels);
  const { width, height, channels } = pixels;
  if (channels === 4 && isOpaque(data)) return wholeReader({ data, width, height, channels });
  return rgbReader(rgbFromPixels(pixels));
}

function isOpaque(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return false;
  return true;
}

function wholeReader(image: Omit<PixelPart, 'x' | 'y'>): PixelReader {
  const whole = { ...image, x: 0, y: 0 };
  return { ...image, read: () => whole };
}
