/** Encoded pictures by their URL. */
import { MclipError } from '@mclip/core';
import { type FetchOptions, fetchPicture, invalid } from '@mclip/core/adapter';
import { webNetwork } from './network.js';
import { pageUrl } from './page-url.js';

/** @param location relative ones are the page's @returns named by its URL, for errors */
export async function pictureAt(location: string | URL, options: FetchOptions): Promise<Blob> {
  const url = absolute(location);
  if (url.startsWith('data:')) return dataUrlBlob(url);
  const file = await fetchPicture(url, options, webNetwork);
  return new File([file], url, { type: file.type });
}

function absolute(location: string | URL): string {
  if (location === '') throw invalid('The URL of an image is an empty text.');
  try {
    return pageUrl(location);
  } catch (cause) {
    throw invalid(`Not a URL: ${location}.`, { cause });
  }
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
