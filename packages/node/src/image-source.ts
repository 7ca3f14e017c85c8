/** Images as callers give them, made portable: paths resolved, URLs fetched, buffers copied so that none is detached. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MclipError, type RawImage, type Region } from '@mclip/core';
import { type FetchOptions, fetchPicture, invalid, type PortableImage, portablePixels } from '@mclip/core/adapter';
import { nodeNetwork } from './network.js';

type WholeImage = string | URL | Blob | Uint8Array | ArrayBuffer | RawImage;

/**
 * A path, `file:`, `http(s):` or `data:` URL; a `Blob`, or the bytes, of an encoded file; or raw pixels. May be wrapped
 * to look at a part of it only.
 */
export type ImageSource = WholeImage | { image: WholeImage; region: Region };

export async function portableImage(image: unknown, options: FetchOptions): Promise<PortableImage> {
  if (isWrapped(image)) {
    return { source: await wholeImage(image.image, options), region: image.region as Region };
  }
  return { source: await wholeImage(image, options) };
}

async function wholeImage(image: unknown, options: FetchOptions): Promise<PortableImage['source']> {
  if (typeof image === 'string' || image instanceof URL) return fromLocation(String(image), options);
  if (image instanceof Blob) return { kind: 'bytes', bytes: new Uint8Array(await image.arrayBuffer()) };
  if (image instanceof ArrayBuffer) return { kind: 'bytes', bytes: new Uint8Array(image.slice(0)) };
  if (image instanceof Uint8Array) return { kind: 'bytes', bytes: Uint8Array.from(image) };
  if (typeof image === 'object' && image !== null && 'data' in image) {
    return portablePixels(image as RawImage, options.settings.maxPixels);
  }
  throw invalid(
    `An image must be a path, a URL, a Blob, encoded bytes or { data, width, height }, got ${kindOf(image)}.`,
  );
}

async function fromLocation(location: string, options: FetchOptions): Promise<PortableImage['source']> {
  if (/^https?:/i.test(location)) {
    const file = await fetchPicture(location, options, nodeNetwork);
    return { kind: 'bytes', bytes: new Uint8Array(await file.arrayBuffer()), name: location };
  }
  if (/^data:/i.test(location)) {
    const response = await fetch(location).catch((cause: unknown) => {
      throw new MclipError('IMAGE_DECODE', `Not a valid data: URL: ${location.slice(0, 40)}…`, { cause });
    });
    return { kind: 'bytes', bytes: new Uint8Array(await response.arrayBuffer()) };
  }
  const path = pathOf(location);
  try {
    return { kind: 'bytes', bytes: await readFile(path, { signal: options.signal }), name: path };
  } catch (cause) {
    options.signal?.throwIfAborted();
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'No such file' : 'Cannot read file';
    throw new MclipError('IMAGE_DECODE', `${why}: ${path}.`, { cause });
  }
}

function pathOf(location: string): string {
  if (location === '') throw invalid('The path of an image is an empty text.');
  if (!/^file:/i.test(location)) return resolve(location);
  try {
    return fileURLToPath(location);
  } catch (cause) {
    throw invalid(`No file can be at ${location}: ${(cause as Error).message}.`, { cause });
  }
}

function isWrapped(image: unknown): image is { image: unknown; region: unknown } {
  return typeof image === 'object' && image !== null && 'image' in image;
}

const kindOf = (value: unknown) =>
  typeof value === 'object' ? Object.prototype.toString.call(value).slice(8, -1) : `${typeof value} ${String(value)}`;
