/**
 * Model files in the browser: downloads are verified and kept in the Cache API, or in memory where there is none (an
 * insecure page, some private windows). Hashes are checked where the browser can (secure pages), sizes always.
 * Resuming, sharing between tabs and retries are not here yet.
 */
import { MclipError } from '@mclip/core';
import type { FetchedFile, FetchOptions } from '@mclip/core/adapter';
import { request } from './request.js';

const CACHE = 'mclip-models';
/** A URL below a commit of the hub. */
const PINNED = /\/[0-9a-f]{40}(\/|\?|$)/;
const memory = new Map<string, Blob>(); // by URL

/**
 * Small text: a manifest or a hub listing. What was fetched once is kept, and used when the network is off or out of
 * reach; of a pinned revision it cannot change and is not asked for again.
 */
export async function fetchText(url: string, options: FetchOptions): Promise<string | null> {
  const stored = (await (await readStored(url))?.text()) ?? null;
  if (stored !== null && (options.settings.offline || PINNED.test(url))) return stored;
  try {
    const response = await request(url, options, options.settings.headers);
    if (response === null) return null;
    const text = await response.text();
    await store(url, new Blob([text]));
    return text;
  } catch (error) {
    if (stored !== null && MclipError.isInstance(error) && error.code === 'NETWORK') return stored;
    throw error;
  }
}

/** Bytes of a verified model file, owned by the caller. */
export async function fetchFile(file: FetchedFile, options: FetchOptions): Promise<Uint8Array> {
  const stored = await readStored(file.url);
  if (stored !== null) {
    const bytes = new Uint8Array(await stored.arrayBuffer());
    if ((await problem(bytes, file)) === null) {
      options.onBytes?.(bytes.length, bytes.length);
      return bytes;
    }
    await remove(file.url); // damaged, or another version of the model: fetched again
  }
  const bytes = await download(file, options);
  const wrong = await problem(bytes, file);
  if (wrong !== null) throw new MclipError('MODEL_CORRUPT', `The model file ${file.url} is damaged: ${wrong}.`);
  if (/^https?:/.test(file.url)) await store(file.url, new Blob([bytes as BlobPart]));
  return bytes;
}

async function download(file: FetchedFile, options: FetchOptions): Promise<Uint8Array> {
  const response = await request(file.url, options, options.settings.headers);
  // servers of single-page apps answer every unknown path with their start page
  const isPage = response?.headers.get('content-type')?.startsWith('text/html');
  if (response?.body == null || isPage) {
    // Vite's dev server moves modules that it pre-bundles away from the files beside them
    const hint = file.url.includes('/.vite/') ? ' Add the plugin of @mclip/web/vite to your Vite configuration.' : '';
    throw new MclipError('MODEL_NOT_FOUND', `There is no model file at ${file.url}.${hint}`);
  }
  // the length of a compressed response is not the file's
  const announced = response.headers.has('content-encoding') ? 0 : Number(response.headers.get('content-length'));
  const expected = file.bytes ?? (announced || null);
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      chunks.push(chunk.value);
      loaded += chunk.value.length;
      if (expected !== null && loaded > expected) break;
      options.onBytes?.(loaded, expected);
    }
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new MclipError('NETWORK', `The download of ${file.url} broke after ${loaded} bytes.`, { cause });
  } finally {
    reader.cancel().catch(() => {});
  }
  if (expected !== null && loaded < expected) {
    throw new MclipError('NETWORK', `${file.url} ended after ${loaded} of ${expected} bytes.`);
  }
  const bytes = new Uint8Array(loaded);
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return bytes;
}

/** Null when the bytes are what they should be, else what is wrong with them. */
async function problem(bytes: Uint8Array, { bytes: size, sha256 }: FetchedFile): Promise<string | null> {
  if (size !== null && bytes.length !== size) return `${bytes.length} bytes instead of ${size}`;
  const { subtle } = globalThis.crypto;
  if (sha256 === null || subtle === undefined) return null;
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes as BufferSource));
  const actual = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return actual === sha256 ? null : `its SHA-256 is ${actual} instead of ${sha256}`;
}

async function readStored(url: string): Promise<Blob | null> {
  const stored = await openCache()
    .then((cache) => cache?.match(url))
    .catch(() => undefined);
  return stored === undefined ? (memory.get(url) ?? null) : stored.blob();
}

/** A full disk is no reason to fail: the file is at hand, and fetched again next time. */
async function store(url: string, content: Blob): Promise<void> {
  const cache = await openCache();
  if (cache === null) memory.set(url, content);
  else await cache.put(url, new Response(content)).catch(() => {});
}

async function remove(url: string): Promise<void> {
  memory.delete(url);
  await openCache()
    .then((cache) => cache?.delete(url))
    .catch(() => {});
}

async function openCache(): Promise<Cache | null> {
  try {
    return (await globalThis.caches?.open(CACHE)) ?? null;
  } catch {
    return null;
  }
}
