/**
 * Pictures to RGB bytes through the browser's own decoder: EXIF orientation applied, colours in sRGB, alpha composited
 * on white, first frame of animations. How a file decodes is the browser's business: grey levels may differ from
 * other decoders. The bytes of opaque pictures are the decoder's, untouched.
 */
import {
  checkPixelCount,
  type DecodeOptions,
  MclipError,
  type PortableImage,
  type RgbImage,
  rgbFromPixels,
} from '@mclip/core/adapter';
import { HEADER_BYTES, type ImageHeader, readImageHeader } from './image-header.js';

type Drawable = ImageBitmap | VideoFrame;

/** Pixels read from the canvas at a time: bounds the RGBA copy, and canvases have a largest edge. */
const TILE_EDGE = 4096;
const TILE_PIXELS = 1 << 22;

export async function decodeImage(source: PortableImage['source'], options: DecodeOptions): Promise<RgbImage> {
  switch (source.kind) {
    case 'pixels':
      return rgbFromPixels(source as Parameters<typeof rgbFromPixels>[0]);
    case 'native':
      return rgbOf(source.image as Drawable, options);
    case 'bytes':
      return decodeBlob(new Blob([source.bytes as BlobPart]), options);
    case 'blob':
      return decodeBlob(source.blob, options);
    default:
      throw new MclipError('INVALID_ARGUMENT', `Images of kind '${source.kind}' are not for browsers.`);
  }
}

async function decodeBlob(blob: Blob, options: DecodeOptions): Promise<RgbImage> {
  if (blob.size === 0) throw new MclipError('IMAGE_DECODE', 'The image is empty (0 bytes).');
  const start = await blob
    .slice(0, HEADER_BYTES)
    .arrayBuffer()
    .catch((cause: unknown) => {
      throw new MclipError('IMAGE_DECODE', `The file cannot be read any more: ${(cause as Error).message}`, { cause });
    });
  const header = readImageHeader(new Uint8Array(start));
  if (header.size !== null) checkPixelCount(header.size.width, header.size.height, options.maxPixels);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      imageOrientation: 'from-image',
      colorSpaceConversion: 'default',
      premultiplyAlpha: 'none',
    });
  } catch (cause) {
    throw undecodable(header, new Uint8Array(start, 0, Math.min(12, start.byteLength)), blob.size, cause);
  }
  try {
    return rgbOf(bitmap, options);
  } finally {
    bitmap.close();
  }
}

function rgbOf(image: Drawable, { maxPixels, scaledSize }: DecodeOptions): RgbImage {
  const { width, height } =
    'displayWidth' in image ? { width: image.displayWidth, height: image.displayHeight } : image;
  if (width === 0 || height === 0) throw new MclipError('IMAGE_DECODE', 'The picture was closed before it was read.');
  checkPixelCount(width, height, maxPixels);
  const target = scaledSize?.(width, height);
  // never enlarged here: the exact resize does that, and there is nothing to save
  const canScale = target && target.width <= width && target.height <= height && target.width <= TILE_EDGE;
  if (canScale && target.height <= TILE_EDGE) return drawScaled(image, target.width, target.height);
  return readTiles(image, width, height);
}

/** For `preprocessing: 'fast'`: the browser's own resize. */
function drawScaled(image: Drawable, width: number, height: number): RgbImage {
  const context = whiteCanvas(width, height);
  context.imageSmoothingQuality = 'medium';
  context.drawImage(image, 0, 0, width, height);
  const data = new Uint8Array(width * height * 3);
  copyRgb(pixelsOf(context, width, height), width, height, data, 0, width);
  return { data, width, height };
}

function readTiles(image: Drawable, width: number, height: number): RgbImage {
  const tileWidth = Math.min(width, TILE_EDGE);
  const tileHeight = Math.min(height, TILE_EDGE, Math.floor(TILE_PIXELS / tileWidth));
  const context = whiteCanvas(tileWidth, tileHeight);
  context.imageSmoothingEnabled = false;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += tileHeight) {
    const h = Math.min(tileHeight, height - y);
    for (let x = 0; x < width; x += tileWidth) {
      const w = Math.min(tileWidth, width - x);
      context.fillRect(0, 0, w, h);
      context.drawImage(image, x, y, w, h, 0, 0, w, h);
      copyRgb(pixelsOf(context, w, h), w, h, data, (y * width + x) * 3, width);
    }
  }
  return { data, width, height };
}

function whiteCanvas(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, alpha: false });
  if (context === null) throw new MclipError('OUT_OF_MEMORY', `No canvas of ${width}x${height} pixels to decode with.`);
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  return context;
}

function pixelsOf(context: OffscreenCanvasRenderingContext2D, width: number, height: number): Uint8ClampedArray {
  try {
    return context.getImageData(0, 0, width, height).data;
  } catch (cause) {
    throw new MclipError(
      'IMAGE_DECODE',
      "The picture's pixels may not be read: it comes from another origin. Set crossorigin on the element, or fetch it.",
      { cause },
    );
  }
}

/** Rows of opaque RGBA into a picture of `rowPixels` pixels a row, from byte `start` on. */
function copyRgb(
  rgba: Uint8ClampedArray,
  width: number,
  height: number,
  rgb: Uint8Array,
  start: number,
  rowPixels: number,
) {
  for (let y = 0, i = 0; y < height; y++) {
    let o = start + y * rowPixels * 3;
    for (const end = i + width * 4; i < end; i += 4, o += 3) {
      rgb[o] = rgba[i];
      rgb[o + 1] = rgba[i + 1];
      rgb[o + 2] = rgba[i + 2];
    }
  }
}

function undecodable({ format }: ImageHeader, start: Uint8Array, size: number, cause: unknown): MclipError {
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
  const shown = String.fromCharCode(...start).replaceAll(/[^\x20-\x7e]/g, '.');
  const what = format === 'unknown' ? 'Not an image that this browser can decode' : `Damaged or unsupported ${format}`;
  return new MclipError('IMAGE_DECODE', `${what}: ${why} (${size} bytes starting "${shown}").`, { cause });
}
