/**
 * 8-bit RGB pictures: the type, its checks, conversion from grey and RGBA, and regions.
 * Leaves out decoding, orientation and colour profiles, which are the platform's.
 * References: Pillow's `Image.alpha_composite` over opaque white, `Image.crop`.
 */
import { MclipError } from '../errors.js';

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

/** A rectangle in pixels of the picture it belongs to; `x`, `y` is its top left. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Largest picture handled, in bytes: offsets into it stay 32-bit integers. */
const MAX_BYTES = 2 ** 31 - 1;

/** Throws `INVALID_ARGUMENT` unless `width` and `height` are positive integers of a picture below 2 GiB. */
export function checkSize(width: number, height: number, what: string): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw invalid(`Expected ${what} of positive whole pixels, got ${show(width)}x${show(height)}.`);
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
  if (typeof image !== 'object' || image === null) throw invalid(`Expected an RGB image, got ${show(image)}.`);
  const { data, width, height } = image;
  return { data: checkBytes(data, width, height, 3), width, height };
}

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

/** Throws as `rgbFromPixels` does; returns the bytes as a plain `Uint8Array` view. */
export function checkRawPixels(pixels: RawPixels): Uint8Array {
  if (typeof pixels !== 'object' || pixels === null) throw invalid(`Expected raw pixels, got ${show(pixels)}.`);
  const { data, width, height, channels } = pixels;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw invalid(`Expected 1 (grey), 3 (RGB) or 4 (RGBA) channels, got ${show(channels)}.`);
  }
  return checkBytes(data, width, height, channels);
}

/**
 * The pixels of `region`, copied.
 * @throws MclipError `INVALID_ARGUMENT` unless the region is of whole pixels, not empty and inside the picture.
 */
export function cropRegion(image: RgbImageLike, region: Region): RgbImage {
  const { data, width, height } = checkRgbImage(image);
  checkRegion(region, width, height);
  const rowBytes = region.width * 3;
  const cropped = new Uint8Array(rowBytes * region.height);
  for (let y = 0; y < region.height; y++) {
    const from = ((region.y + y) * width + region.x) * 3;
    cropped.set(data.subarray(from, from + rowBytes), y * rowBytes);
  }
  return { data: cropped, width: region.width, height: region.height };
}

/** Throws `INVALID_ARGUMENT` unless `region` lies inside a picture of `width` x `height` pixels. */
export function checkRegion(region: Region, width: number, height: number): void {
  if (typeof region !== 'object' || region === null) throw invalid(`Expected a region, got ${show(region)}.`);
  const { x, y, width: w, height: h } = region;
  const whole = [x, y, w, h].every(Number.isInteger);
  if (!whole || x < 0 || y < 0 || w < 1 || h < 1 || x + w > width || y + h > height) {
    const got = `{ x: ${show(x)}, y: ${show(y)}, width: ${show(w)}, height: ${show(h)} }`;
    throw invalid(`Expected a region of whole pixels inside the ${width}x${height} image, got ${got}.`);
  }
}

/** An `INVALID_ARGUMENT` error. */
export function invalid(message: string): MclipError {
  return new MclipError('INVALID_ARGUMENT', message);
}

function checkBytes(data: RgbImageLike['data'], width: number, height: number, channels: number): Uint8Array {
  checkSize(width, height, 'an image');
  // the tag instead of instanceof: bytes may come from another realm, and a Buffer is a Uint8Array too
  const type = Object.prototype.toString.call(data).slice(8, -1);
  if (type !== 'Uint8Array' && type !== 'Uint8ClampedArray') {
    throw invalid(`Expected image bytes as Uint8Array or Uint8ClampedArray, got ${type}.`);
  }
  const expected = width * height * channels;
  if (data.length !== expected) {
    throw invalid(`Expected ${expected} bytes for ${width}x${height}x${channels}, got ${data.length}.`);
  }
  return type === 'Uint8Array' ? (data as Uint8Array) : new Uint8Array(data.buffer, data.byteOffset, data.length);
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

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
