/** Files of this machine, `file:` URLs: read where they are, checked at every load. */
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MclipError } from '@mclip/core';
import type { FetchedFile, FetchOptions } from '@mclip/core/adapter';
import { hashOfFile } from './store/file-backend.js';
import { nullWhenMissing } from './store/storage-error.js';

/** Null when there is none. */
export async function localText(url: string): Promise<string | null> {
  return readFile(fileURLToPath(url), 'utf8').catch(nullWhenMissing);
}

/** @throws {MclipError} `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `STORAGE` */
export async function localFile({ url, bytes, sha256 }: FetchedFile, { signal }: FetchOptions): Promise<string> {
  const path = fileURLToPath(url);
  const found = await stat(path).catch(nullWhenMissing);
  if (found === null) throw new MclipError('MODEL_NOT_FOUND', `The model file ${path} does not exist.`);
  if (bytes !== null && found.size !== bytes) throw damaged(path, `it has ${found.size} bytes instead of ${bytes}`);
  if (sha256 !== null) {
    const actual = await hashOfFile(path, signal);
    if (actual !== sha256) throw damaged(path, `its SHA-256 is ${actual} instead of ${sha256}`);
  }
  return path;
}

const damaged = (path: string, why: string) =>
  new MclipError('MODEL_CORRUPT', `The model file ${path} is damaged: ${why}. Copy or export it again.`);
