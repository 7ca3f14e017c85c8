/**
 * Model files on disk: local folders are verified, downloads are verified and kept in the cache folder. A file is
 * written under a temporary name and renamed, so that a break never leaves half a model. Resuming, locking and
 * retries are not here yet.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { MclipError } from '@mclip/core';
import type { FetchedFile, FetchOptions } from '@mclip/core/adapter';
import { cacheDir } from './cache-dir.js';
import { request } from './request.js';

/** A URL below a commit of the hub. */
const PINNED = /\/[0-9a-f]{40}(\/|\?|$)/;

/**
 * Small text: a manifest or a hub listing. What was fetched once is kept, and used when the network is off or out of
 * reach; of a pinned revision it cannot change and is not asked for again.
 */
export async function fetchText(url: string, options: FetchOptions): Promise<string | null> {
  if (url.startsWith('file:')) return readFile(fileURLToPath(url), 'utf8').catch(nullWhenMissing);
  const path = storedPath(url, options);
  const stored = await readFile(path, 'utf8').catch(nullWhenMissing);
  if (stored !== null && (options.settings.offline || PINNED.test(url))) return stored;
  try {
    const response = await request(url, options, options.settings.headers);
    if (response === null) return null;
    const text = await response.text();
    await store(path, (temporary) => writeFile(temporary, text));
    return text;
  } catch (error) {
    if (stored !== null && MclipError.isInstance(error) && error.code === 'NETWORK') return stored;
    throw error;
  }
}

/** Path of a verified model file. */
export async function fetchFile(file: FetchedFile, options: FetchOptions): Promise<string> {
  if (file.url.startsWith('file:')) {
    const path = fileURLToPath(file.url);
    const problem = await verify(path, file, options);
    if (problem === null) return path;
    if (problem === 'missing') throw new MclipError('MODEL_NOT_FOUND', `The model file ${path} does not exist.`);
    throw new MclipError('MODEL_CORRUPT', `The model file ${path} is damaged: ${problem}. Copy or export it again.`);
  }
  const path = storedPath(file.url, options);
  if ((await verify(path, file, options)) !== null) {
    await store(path, (temporary) => download(file, temporary, options));
  }
  return path;
}

async function download(file: FetchedFile, path: string, options: FetchOptions): Promise<void> {
  const response = await request(file.url, options, options.settings.headers);
  if (response?.body == null) throw new MclipError('MODEL_NOT_FOUND', `There is no model file at ${file.url}.`);
  // the length of a compressed response is not the file's
  const compressed = response.headers.has('content-encoding');
  const announced = compressed ? null : Number(response.headers.get('content-length')) || null;
  const hash = createHash('sha256');
  let loaded = 0;
  const measure = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      loaded += chunk.length;
      if (file.bytes !== null && loaded > file.bytes) {
        done(new MclipError('MODEL_CORRUPT', `${file.url} is larger than the ${file.bytes} bytes it should have.`));
        return;
      }
      hash.update(chunk);
      options.onBytes?.(loaded, file.bytes ?? announced);
      done(null, chunk);
    },
  });
  const body = Readable.fromWeb(response.body as import('node:stream/web').ReadableStream);
  try {
    await pipeline(body, measure, createWriteStream(path), options.signal ? { signal: options.signal } : {});
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (MclipError.isInstance(cause)) throw cause;
    if (isStorageError(cause)) throw storageError(path, cause);
    throw new MclipError('NETWORK', `The download of ${file.url} broke after ${loaded} bytes.`, { cause });
  }
  const expected = file.bytes ?? announced;
  if (expected !== null && loaded !== expected) {
    throw new MclipError('NETWORK', `${file.url} ended after ${loaded} of ${expected} bytes.`);
  }
  const sha256 = hash.digest('hex');
  if (file.sha256 !== null && sha256 !== file.sha256) {
    throw new MclipError('MODEL_CORRUPT', `${file.url} has SHA-256 ${sha256}, expected ${file.sha256}.`);
  }
}

/** Null when the file is what it should be, else what is wrong with it. */
async function verify(path: string, { bytes, sha256 }: FetchedFile, options: FetchOptions): Promise<string | null> {
  const found = await stat(path).catch(nullWhenMissing);
  if (found === null) return 'missing';
  if (bytes !== null && found.size !== bytes) return `${found.size} bytes instead of ${bytes}`;
  if (sha256 === null) return null;
  const hash = createHash('sha256');
  await pipeline(
    createReadStream(path, { highWaterMark: 1 << 20 }),
    hash,
    options.signal ? { signal: options.signal } : {},
  );
  const actual = hash.digest('hex');
  return actual === sha256 ? null : `its SHA-256 is ${actual} instead of ${sha256}`;
}

async function store(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await write(temporary);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw isStorageError(cause) ? storageError(path, cause) : cause;
  }
}

/** `<cache>/models/<host>/<path of the URL>`; the query of a listing is part of its name. */
function storedPath(url: string, { settings }: FetchOptions): string {
  const { host, pathname, search } = new URL(url);
  const parts = `${host}${pathname}${search}`.split('/').map((part) => part.replaceAll(/[^\w.-]/g, '_'));
  return join(cacheDir(settings), 'models', ...parts.map((part) => (/^\.+$/.test(part) ? '_' : part)));
}

function nullWhenMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw storageError(error.path ?? '', error);
}

const isStorageError = (error: unknown) =>
  /^E(NOSPC|ACCES|PERM|ROFS|DQUOT|EXIST|NOTDIR|IO)$/.test((error as NodeJS.ErrnoException).code ?? '');

function storageError(path: string, cause: unknown): MclipError {
  return new MclipError(
    'STORAGE',
    `Cannot read or write ${path}: ${(cause as Error).message}. Set cacheDir to a folder that can be written.`,
    { cause },
  );
}
