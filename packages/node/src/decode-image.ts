/**
 * Encoded images to RGB bytes through sharp (libvips): JPEG, PNG, WebP, AVIF, GIF (first frame), TIFF and SVG.
 * EXIF orientation is applied, embedded ICC profiles and CMYK are converted to sRGB, 16-bit samples are cut to 8,
 * alpha is composited on white by core, so that every platform gives the same bytes. How a file decodes is libvips' business: grey levels may differ from other decoders.
 */

import { MclipError } from '@mclip/core';
import {
  checkPixelCount,
  type DecodeOptions,
  type PixelReader,
  type PortableImage,
  pixelsReader,
  type RawPixels,
} from '@mclip/core/adapter';
import sharp, { type Metadata, type Sharp } from 'sharp';

export async function decodeImage(source: PortableImage['source'], options: DecodeOptions): Promise<PixelReader> {
  if (source.kind === 'pixels') return pixelsReader(source as RawPixels);
  if (source.kind !== 'bytes')
    throw new MclipError('INVALID_ARGUMENT', `Images of kind '${source.kind}' are not for Node.`);
  const { bytes, name } = source;
  const from = name === undefined ? '' : `${name}: `;
  if (bytes.length === 0) throw new MclipError('IMAGE_DECODE', `${from}The image is empty (0 bytes).`);
  const picture = sharp(bytes, { failOn: 'error', limitInputPixels: false, autoOrient: true });
  const header = await picture.metadata().catch((cause: unknown) => {
    throw undecodable(from, bytes, cause);
  });
  checkPixelCount(header.width, header.height, options.maxPixels);
  const { data, info } = await rgbPixels(picture, header, options)
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw undecodable(from, bytes, cause);
    });
  return pixelsReader({ data, width: info.width, height: info.height, channels: info.channels as 1 | 3 | 4 });
}

function rgbPixels(picture: Sharp, header: Metadata, { fast, scaledSize }: DecodeOptions): Sharp {
  if (fast && scaledSize !== undefined) {
    const { width, height } = header.autoOrient;
    // never enlarged here: the exact resize does that, and there is nothing to save
    const target = scaledSize(width, height);
    if (target.width <= width && target.height <= height) picture.resize({ ...target, fit: 'fill', kernel: 'linear' });
  }
  return picture.toColourspace('srgb');
}

function undecodable(from: string, bytes: Uint8Array, cause: unknown): MclipError {
  const { message } = cause as Error;
  const start = Buffer.from(bytes.subarray(0, 12));
  if (/^ftyp(heic|heix|hevc|heim|heis|mif1|msf1)/.test(start.toString('latin1', 4, 12))) {
    return new MclipError(
      'IMAGE_DECODE',
      `${from}HEIC images cannot be decoded here (${firstLine(message)}): convert the image to JPEG, PNG, WebP or AVIF.`,
      { cause },
    );
  }
  const shown = start.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.');
  return new MclipError(
    'IMAGE_DECODE',
    `${from}Not a readable JPEG, PNG, WebP, AVIF, GIF, TIFF or SVG: ${firstLine(message)} (${bytes.length} bytes starting "${shown}").`,
    { cause },
  );
}

const firstLine = (message: string) => message.split('\n', 1)[0]!;
