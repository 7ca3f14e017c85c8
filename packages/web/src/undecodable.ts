/** What to say of a file that the browser does not decode. Loaded when that happens. */
import { MclipError } from '@mclip/core/adapter';
import type { ImageHeader } from './image-header.js';

export function unreadable(cause: unknown): MclipError {
  return new MclipError('IMAGE_DECODE', `The file cannot be read any more: ${(cause as Error).message}`, { cause });
}

/** @param start the file's first bytes */
export function undecodable({ format }: ImageHeader, start: Uint8Array, size: number, cause: unknown): MclipError {
  if (size === 0) return new MclipError('IMAGE_DECODE', 'The image is empty (0 bytes).', { cause });
  const why = (cause as Error).message;
  if (format === 'heic') {
    const message = `HEIC images cannot be decoded by this browser (${why}): convert the image to JPEG, PNG, WebP or AVIF.`;
    return new MclipError('IMAGE_DECODE', message, { cause });
  }
  if (format === 'svg') {
    const message =
      "SVG files cannot be decoded in a worker. On a page, give the Blob its type, 'image/svg+xml'; in a worker of your " +
      'own, pass pixels.';
    return new MclipError('IMAGE_DECODE', message, { cause });
  }
  const shown = String.fromCharCode(...start.subarray(0, 12)).replaceAll(/[^\x20-\x7e]/g, '.');
  const what = format === 'unknown' ? 'Not an image that this browser can decode' : `Damaged or unsupported ${format}`;
  return new MclipError('IMAGE_DECODE', `${what}: ${why} (${size} bytes starting "${shown}").`, { cause });
}
