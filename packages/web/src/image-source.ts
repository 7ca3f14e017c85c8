/**
 * Images as callers give them, made portable: URLs resolved and fetched, buffers, bitmaps and frames copied, so that
 * nothing of the caller's is detached or closed.
 */
import { MclipError, type RawImage, type Region } from '@mclip/core';
import { checkPixelCount, type FetchOptions, invalid, type PortableImage, portablePixels } from '@mclip/core/adapter';
import { startsAsSvg } from './starts-as-svg.js';

type WholeImage =
  | string
  | URL
  | Blob
  | Uint8Array
  | ArrayBuffer
  | ImageData
  | RawImage
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | VideoFrame
  | HTMLVideoElement;

/**
 * A URL (relative ones are the page's), the `Blob`, `File` or bytes of an encoded picture, raw pixels, or anything that
 * shows one. May be wrapped to look at a part of it only.
 */
export type ImageSource = WholeImage | { image: WholeImage; region: Region };

type Source = PortableImage['source'];

export async function portableImage(image: unknown, options: FetchOptions): Promise<PortableImage> {
  const wrapped = typeof image === 'object' && image !== null && 'image' in image && 'region' in image;
  const source = await wholeImage(wrapped ? image.image : image, options);
  return wrapped ? { source, region: image.region as Region } : { source };
}

async function wholeImage(image: unknown, options: FetchOptions): Promise<Source> {
  const { maxPixels } = options.settings;
  switch (kindOf(image)) {
    case 'String':
    case 'URL':
      return fromBlob(await blobAt(image as string | URL, options), maxPixels);
    case 'Blob':
    case 'File':
      return fromBlob(image as Blob, maxPixels);
    case 'ArrayBuffer':
      return fromBytes(new Uint8Array((image as ArrayBuffer).slice(0)), maxPixels);
    case 'Uint8Array':
      return fromBytes((image as Uint8Array).slice(), maxPixels);
    case 'HTMLImageElement':
      return fromElement(image as HTMLImageElement, maxPixels);
    case 'HTMLVideoElement': {
      const video = image as HTMLVideoElement;
      if (video.readyState < video.HAVE_CURRENT_DATA) {
        throw invalid("The video has no picture yet: wait for its 'loadeddata' event.");
      }
      return bitmapOf(video, video.videoWidth, video.videoHeight, maxPixels);
    }
    case 'VideoFrame':
      return fromFrame(image as VideoFrame, maxPixels);
    case 'HTMLCanvasElement':
    case 'OffscreenCanvas':
    case 'ImageBitmap': {
      const { width, height } = image as ImageBitmap;
      return bitmapOf(image as ImageBitmap, width, height, maxPixels);
    }
  }
  if (typeof image === 'object' && image !== null && 'data' in image) {
    return portablePixels(image as RawImage, maxPixels);
  }
  throw invalid(
    'An image must be a URL, a Blob, encoded bytes, { data, width, height }, an <img>, <canvas> or <video>, an ' +
      `ImageBitmap or a VideoFrame, got ${kindOf(image)}.`,
  );
}

/** Code of its own: a page with pictures at hand does without. */
async function blobAt(url: string | URL, options: FetchOptions): Promise<Blob> {
  const pictures = await import('./picture-at-url.js');
  return pictures.pictureAt(url, options);
}

async function fromBlob(blob: Blob, maxPixels: number): Promise<Source> {
  // in a worker there is nothing to draw it with: the decoder says so
  if (!blob.type.startsWith('image/svg') || globalThis.document === undefined) return { kind: 'blob', blob };
  const svg = await import('./svg.js');
  return { kind: 'native', image: await svg.drawSvg(blob, maxPixels) };
}

function fromBytes(bytes: Uint8Array, maxPixels: number): Source | Promise<Source> {
  if (!startsAsSvg(bytes)) return { kind: 'bytes', bytes };
  return fromBlob(new Blob([bytes as BlobPart], { type: 'image/svg+xml' }), maxPixels);
}

async function fromElement(image: HTMLImageElement, maxPixels: number): Promise<Source> {
  try {
    await image.decode();
  } catch (cause) {
    const url = image.currentSrc || image.src;
    throw new MclipError('IMAGE_DECODE', `The <img> shows no picture (${url.slice(0, 200) || 'no src'}).`, { cause });
  }
  return bitmapOf(image, image.naturalWidth, image.naturalHeight, maxPixels);
}

/** A clone shares the frame's memory: nothing is copied on this side. */
function fromFrame(frame: VideoFrame, maxPixels: number): Source {
  checkPixelCount(frame.displayWidth, frame.displayHeight, maxPixels);
  try {
    return { kind: 'native', image: frame.clone() };
  } catch (cause) {
    throw invalid('The VideoFrame was closed before it was classified.', { cause });
  }
}

async function bitmapOf(image: ImageBitmapSource, width: number, height: number, maxPixels: number): Promise<Source> {
  if (width === 0 || height === 0) {
    throw invalid(`The image has ${width}x${height} pixels: it is empty, closed or detached.`);
  }
  checkPixelCount(width, height, maxPixels);
  try {
    return { kind: 'native', image: await createImageBitmap(image, { premultiplyAlpha: 'none' }) };
  } catch (cause) {
    throw new MclipError('IMAGE_DECODE', `The picture cannot be copied: ${(cause as Error).message}`, { cause });
  }
}

/** The class's name, also for objects of another frame of the page. */
function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
