/** Encoded pictures by their URL. */
import { MclipError } from '@mclip/core';
import { type FetchOptions, request } from '@mclip/core/adapter';
import { webNetwork } from './network.js';

export async function pictureAt(url: string, options: FetchOptions): Promise<Blob> {
  if (url.startsWith('data:')) return dataUrlBlob(url);
  const settings = { ...options.settings, allowHttp: true }; // a picture is not a model
  const response = await request(url, { ...options, settings }, webNetwork);
  if (response === null) throw new MclipError('IMAGE_DECODE', `No image at ${url} (404).`);
  return response.blob();
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
