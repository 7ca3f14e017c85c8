/** What to say of a file that the browser does not decode. Loaded when that happens. */
import type { ImageHeader } from './image-header.js';

export function unreadable(cause: unknown): string {
  return `The file cannot be read any more: ${(cause as Error).message}`;
}

/** @param start the file's first bytes */
export function undecodable(header: ImageHeader, start: Uint8Array, file: Blob | File, cause: unknown): string {
  const name = 'name' in file && file.name !== '' ? `${file.name}: ` : '';
  return name + whatIsWrong(header, start, file.size, cause);
}

function whatIsWrong({ format }: ImageHeader, start: Uint8Array, size: number, cause: unknown): string {
  if (size === 0) return 'The image is empty (0 bytes).';
  const why = (cause as Error).message;
  if (format === 'heic') {
    return `HEIC images cannot be decoded by this browser (${why}): convert the image to JPEG, PNG, WebP or AVIF.`;
  }
  if (format === 'svg') {
    return (
      "SVG files cannot be decoded in a worker. On a page, give the Blob its type, 'image/svg+xml'; in a worker of your " +
      'own, pass pixels.'
    );
  }
  const shown = String.fromCharCode(...start.subarray(0, 12)).replaceAll(/[^\x20-\x7e]/g, '.');
  const what = format === 'unknown' ? 'Not an image that this browser can decode' : `Damaged or unsupported ${format}`;
  return `${what}: ${why} (${size} bytes starting "${shown}").`;
}
