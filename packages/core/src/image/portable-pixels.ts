/** Raw pixels as callers hand them over, copied so that they can be moved to a worker. */
import { MclipError } from '../errors.js';
import type { PortableImage } from '../platform.js';
import { checkRawPixels, checkSize, plainBytes, type RawPixels } from './rgb-image.js';

/** As `RawPixels`; `channels` may be left out, as in an `ImageData`. */
export type RawImage = Omit<RawPixels, 'channels'> & { readonly channels?: number };

/**
 * @throws {MclipError} `INVALID_ARGUMENT` for anything but 8-bit pixels of 1, 3 or 4 channels and the right length,
 * `IMAGE_TOO_LARGE` for more than `maxPixels`.
 */
export function portablePixels(image: RawImage, maxPixels: number): PortableImage['source'] {
  const { width, height } = image;
  checkPixelCount(width, height, maxPixels);
  checkSize(width, height, 'an image');
  const data = new Uint8Array(plainBytes(image.data)); // a copy, also of a Buffer
  const channels = image.channels ?? data.length / (width * height);
  checkRawPixels({ data, width, height, channels } as RawPixels);
  return { kind: 'pixels', data, width, height, channels };
}

/** @throws {MclipError} `IMAGE_TOO_LARGE` */
export function checkPixelCount(width: number, height: number, maxPixels: number): void {
  if (width * height > maxPixels) {
    throw new MclipError(
      'IMAGE_TOO_LARGE',
      `The image has ${width}x${height} pixels, more than maxPixels (${maxPixels}): scale it down or raise maxPixels.`,
    );
  }
}
