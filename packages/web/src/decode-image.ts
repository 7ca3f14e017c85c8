/**
 * Pictures to pixels through the browser's own decoder: EXIF orientation applied, colours in sRGB, alpha composited
 * on white, first frame of animations. How a file decodes is the browser's business: grey levels may differ from
 * other decoders. The bytes of opaque pictures are the decoder's, untouched.
 */
import {
  checkPixelCount,
  type DecodeOptions,
  MclipError,
  type PixelReader,
  type PortableImage,
  pixelsReader,
  type RawPixels,
} from '@mclip/core/adapter';
import { type Drawable, frameReader } from './frame-reader.js';
import { HEADER_BYTES, readImageHeader } from './image-header.js';
import { jpegFrame } from './jpeg-frame.js';

export async function decodeImage(source: PortableImage['source'], options: DecodeOptions): Promise<PixelReader> {
  if (source.kind === 'pixels') return pixelsReader(source as RawPixels);
  if (source.kind === 'native') return readerOf(source.image as Drawable, options);
  if (source.kind === 'bytes') {
    return decodeBlob(new Blob([source.bytes as BlobPart]), options, wholeBuffer(source.bytes));
  }
  return decodeBlob((source as { blob: Blob }).blob, options); // paths are for Node.js
}

/** @param whole the blob's content, if it is at hand; may be detached */
async function decodeBlob(blob: Blob, options: DecodeOptions, whole?: ArrayBuffer): Promise<PixelReader> {
  // a JPEG's content is wanted: read once. Others are read by the browser.
  const wanted = blob.type === 'image/jpeg' ? blob : blob.slice(0, HEADER_BYTES);
  const content =
    whole ??
    (await wanted.arrayBuffer().catch(async (cause: unknown) => {
      throw new MclipError('IMAGE_DECODE', (await import('./undecodable.js')).unreadable(cause), { cause });
    }));
  const start = new Uint8Array(content.slice(0, HEADER_BYTES));
  const header = await readImageHeader(start);
  if (header.size !== null) checkPixelCount(header.size.width, header.size.height, options.maxPixels);
  let image: Drawable | null = await jpegFrame(content.byteLength === blob.size ? content : blob, header, options);
  try {
    image ??= await createImageBitmap(blob, {
      imageOrientation: 'from-image',
      colorSpaceConversion: 'default',
      premultiplyAlpha: 'none',
    });
  } catch (cause) {
    const { undecodable } = await import('./undecodable.js');
    throw new MclipError('IMAGE_DECODE', undecodable(header, start, blob, cause), { cause });
  }
  try {
    return withClose(await readerOf(image, options), image);
  } catch (error) {
    image.close();
    throw error;
  }
}

function wholeBuffer({ buffer, byteLength }: Uint8Array): ArrayBuffer | undefined {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? buffer : undefined;
}

function withClose(reader: PixelReader, image: Drawable): PixelReader {
  return {
    ...reader,
    close() {
      reader.close?.();
      image.close();
    },
  };
}

async function readerOf(image: Drawable, options: DecodeOptions): Promise<PixelReader> {
  const { maxPixels, scaledSize, fast } = options;
  const { width, height } =
    'displayWidth' in image ? { width: image.displayWidth, height: image.displayHeight } : image;
  if (width === 0 || height === 0) throw new MclipError('IMAGE_DECODE', 'The picture was closed before it was read.');
  checkPixelCount(width, height, maxPixels);
  const reader = await frameReader(image);
  if (reader !== null) return reader;
  if ('displayWidth' in image) {
    // a canvas would convert the whole frame for every part of it that is drawn
    const bitmap = await createImageBitmap(image);
    return withClose(await readerOf(bitmap, options), bitmap);
  }
  const { canvasReader, scaledReader } = await import('./canvas-reader.js');
  const target = fast ? scaledSize?.(width, height) : undefined;
  // never enlarged here: the exact resize does that, and there is nothing to save
  if (target && target.width <= width && target.height <= height && Math.max(target.width, target.height) <= 4096) {
    return scaledReader(image, target.width, target.height);
  }
  return canvasReader(image, width, height);
}
