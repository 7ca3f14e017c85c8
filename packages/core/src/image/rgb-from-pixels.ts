/** Grey and RGBA pictures as RGB. Reference: Pillow's `Image.alpha_composite` over opaque white. */
import { checkRawPixels, type RawPixels, type RgbImage } from './rgb-image.js';

/**
 * RGB bytes from grey, RGB or RGBA bytes. Grey is repeated in the three channels. RGBA is composited on white:
 * each value is `(value * alpha + 255 * (255 - alpha)) / 255` rounded to nearest, which is what Pillow's
 * `alpha_composite` on opaque white gives. RGB is not copied: the result shares memory with `pixels.data`.
 * @throws MclipError `INVALID_ARGUMENT` for other channel counts, sizes that are not positive integers, wrong length.
 */
export function rgbFromPixels(pixels: RawPixels): RgbImage {
  const data = checkRawPixels(pixels);
  const { width, height, channels } = pixels;
  if (channels === 3) return { data, width, height };
  const rgb = new Uint8Array(width * height * 3);
  if (channels === 1) repeatGrey(data, rgb);
  else compositeOnWhite(data, rgb);
  return { data: rgb, width, height };
}

function repeatGrey(grey: Uint8Array, rgb: Uint8Array): void {
  for (let i = 0, o = 0; i < grey.length; i++, o += 3) rgb[o] = rgb[o + 1] = rgb[o + 2] = grey[i];
}

function compositeOnWhite(rgba: Uint8Array, rgb: Uint8Array): void {
  for (let i = 0, o = 0; i < rgba.length; i += 4, o += 3) {
    const alpha = rgba[i + 3];
    if (alpha === 255) {
      rgb[o] = rgba[i];
      rgb[o + 1] = rgba[i + 1];
      rgb[o + 2] = rgba[i + 2];
    } else {
      const white = 255 * (255 - alpha) + 128;
      rgb[o] = divide255(rgba[i] * alpha + white);
      rgb[o + 1] = divide255(rgba[i + 1] * alpha + white);
      rgb[o + 2] = divide255(rgba[i + 2] * alpha + white);
    }
  }
}

/** `n` is 128 more than the dividend (0 to 65025); exact rounding to nearest without a division. */
function divide255(n: number): number {
  return (n + (n >> 8)) >> 8;
}
