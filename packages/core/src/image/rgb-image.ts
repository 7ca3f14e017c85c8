/**
 * 8-bit pictures: the types and their checks.
 * Leaves out decoding, orientation and colour profiles, which are the platform's.
 */
import { invalid, shown } from '../errors.js';

/** Packed 8-bit RGB, row by row from the top left: `data[(y * width + x) * 3 + channel]`. */
export interface RgbImage {
  /** `width * height * 3` bytes. */
  data: Uint8Array;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
}

/** What the functions of this folder accept: an `RgbImage` whose bytes may also be a `Uint8ClampedArray`. */
export interface RgbImageLike {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** Raw 8-bit pixels with 1 (grey), 3 (RGB) or 4 (RGBA, straight alpha) interleaved channels. */
export interface RawPixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/** Largest picture handled, in bytes: offsets into it stay 32-bit integers. */
const MAX_BYTES = 2 ** 31 - 1;

/** Throws `INVALID_ARGUMENT` unless `width` and `height` are positive integers of a picture below 2 GiB. */
export function checkSize(width: number, height: number, what: string): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw invalid(`Expected ${what} of positive whole pixels, got ${shown(width)}x${shown(height)}.`);
  }
  if (width * height * 3 > MAX_BYTES) {
    throw invalid(`Expected ${what} below 2 GiB of RGB bytes, got ${width}x${height} (${width * height * 3} bytes).`);
  }
}

/**
 * Checks a picture and returns it with plain `Uint8Array` bytes (a view of the same memory, never a copy).
 * @throws MclipError `INVALID_ARGUMENT` for sizes that are not positive integers, other byte types or a wrong length.
 */
export function checkRgbImage(image: RgbImageLike): RgbImage {
  if (typeof image !== 'object' || image === null) throw invalid(`Expected an RGB image, got ${shown(image)}.`);
  const { data, width, height } = image;
  return { data: checkBytes(data, width, height, 3), width, height };
}

/**
 * Returns the bytes as a plain `Uint8Array` view.
 * @throws MclipError `INVALID_ARGUMENT` for other channel counts, sizes that are not positive integers, wrong length.
 */
export function checkRawPixels(pixels: RawPixels): Uint8Array {
  if (typeof pixels !== 'object' || pixels === null) throw invalid(`Expected raw pixels, got ${shown(pixels)}.`);
  const { data, width, height, channels } = pixels;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw invalid(`Expected 1 (grey), 3 (RGB) or 4 (RGBA) channels, got ${shown(channels)}.`);
  }
  return checkBytes(data, width, height, channels);
}

function checkBytes(data: RgbImageLike['data'], width: number, height: number, channels: number): Uint8Array {
  checkSize(width, height, 'an image');
  const bytes = plainBytes(data);
  const expected = width * height * channels;
  if (bytes.length !== expected) {
    throw invalid(`Expected ${expected} bytes for ${width}x${height}x${channels}, got ${bytes.length}.`);
  }
  return bytes;
}

/** A view of the same memory. @throws MclipError `INVALID_ARGUMENT` for what is not bytes */
export function plainBytes(data: RgbImageLike['data']): Uint8Array {
  // the tag instead of instanceof: bytes may come from another realm, and a Buffer is a Uint8Array too
  const type = Object.prototype.toString.call(data).slice(8, -1);
  if (type === 'Uint8Array') return data as Uint8Array;
  if (type === 'Uint8ClampedArray') return new Uint8Array(data.buffer, data.byteOffset, data.length);
  throw invalid(`Expected image bytes as Uint8Array or Uint8ClampedArray of 0 to 255, got ${type}.`);
}
