/**
 * Decoded pictures that are read in parts, so that a large one is never held whole, and regions of them.
 */
import type { PortableImage, Runtime } from '../platform.js';
import { type Fit, scaledSize } from './geometry.js';
import type { Region } from './region.js';
import type { RawPixels } from './rgb-image.js';

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

/** Raw pixels, as `rawReader` reads them. The code comes when it is needed: most pictures are files. */
export async function pixelsReader(pixels: RawPixels): Promise<PixelReader> {
  const { rawReader } = await import('./raw-reader.js');
  return rawReader(pixels);
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
    return await use(region === undefined ? picture : (await import('./region.js')).regionReader(picture, region));
  } finally {
    picture?.close?.();
    // a bitmap or video frame that came here is ours, and video stalls when its frames are kept
    if (source.kind === 'native') (source.image as { close?: () => void }).close?.();
  }
}
