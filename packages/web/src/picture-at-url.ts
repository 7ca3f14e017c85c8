/** Encoded pictures by their URL. */
import { MclipError } from '@mclip/core';
import { type FetchOptions, fetchPicture } from '@mclip/core/adapter';
import { webNetwork } from './network.js';

export async function pictureAt(url: string, options: FetchOptions): Promise<Blob> {
  if (url.startsWith('data:')) return dataUrlBlob(url);
  return fetchPicture(url, options, webNetwork);
}

/** By hand: a Content-Security-Policy with connect-src 'self' forbids to fetch it. */
function dataUrlBlob(url: string): Blob {
  const [, type, base64, data] = /^data:([^,]*?)(;base64)?,(.*)$/s.exec(url) ?? [];
  try {
    const text = decodeURIComponent(data!);
    const bytes = base64 ? Uint8Array.from(atob(text), (character) => character.charCodeAt(0)) : text;
    return new Blob([bytes], { type: type! });
  } catch (cause) {
    throw new MclipError('IMAGE_DECODE', `Not a valid data: URL: ${url.slice(0, 40)}…`, { cause });
  }
}
