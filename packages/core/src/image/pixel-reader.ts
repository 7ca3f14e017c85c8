/**
 * Decoded pictures that are read in parts, so that a large one is never held whole, and regions of them.
 */
import type { PortableImage, Runtime } from '../platform.js';
import { type Fit, scaledSize } from './geometry.js';
import { checkRawPixels, checkRegion, type RawPixels, type Region, type RgbImage, rgbFromPixels } from './rgb-image.js';

/** Packed pixels of a part of a picture. */
export interface PixelPart extends Region {
  /** [height, width, channels] */
  readonly data: Uint8Array;
  /** 4: RGB and a byte that is not looked at. */
  readonly channels: 3 | 4;
}

export interface PixelReader {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly channels: 3 | 4;
  /** A part that covers the wanted one; its data is valid until the next call. */
  read(wanted: Region): PixelPart | Promise<PixelPart>;
  close?(): void;
}

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

function wholeReader(image: Omit<PixelPart, 'x' | 'y'>): PixelReader {
  const whole = { ...image, x: 0, y: 0 };
  return { ...image, read: () => whole };
}

function isOpaque(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return false;
  return true;
}

/** Decodes a picture that is for a square of `size` pixels, lends it to `use`, and frees it. */
export async function withPicture<T>(
  runtime: Runtime,
  { source, region }: PortableImage,
  { maxPixels, fast, size, fit }: { maxPixels: number; fast: boolean; size: number; fit: Fit },
  signal: AbortSignal | undefined,
  use: (picture: PixelReader) => Promise<T>,
): Promise<T> {
  let picture: PixelReader | null = null;
  try {
    signal?.throwIfAborted();
    const options = { fast, scaledSize: (width: number, height: number) => scaledSize(width, height, { size, fit }) };
    picture = await runtime.decodeImage(source, { maxPixels, ...(region === undefined && options) });
    signal?.throwIfAborted();
    return await use(region === undefined ? picture : regionReader(picture, region));
  } finally {
    picture?.close?.();
    // a bitmap or video frame that came here is ours, and video stalls when its frames are kept
    if (source.kind === 'native') (source.image as { close?: () => void }).close?.();
  }
}

function regionReader(picture: PixelReader, region: Region): PixelReader {
  checkRegion(region, picture.width, picture.height);
  const { x: left, y: top, width, height } = region;
  return {
    width,
    height,
    channels: picture.channels,
    async read({ x, y, ...size }) {
      const part = await picture.read({ x: x + left, y: y + top, ...size });
      return { ...part, x: part.x - left, y: part.y - top };
    },
  };
}
