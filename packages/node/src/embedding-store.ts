/**
 * Embeddings of labels between processes: one small file of little-endian fp32 per key, named by the key's hash.
 * A cache that cannot be read or written costs time, never an error.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ResolvedSettings } from '@mclip/core/adapter';
import { cacheDir } from './cache-dir.js';

export function readEmbeddings(keys: string[], settings: ResolvedSettings): Promise<(Float32Array | null)[]> {
  return Promise.all(keys.map((key) => readFile(pathOf(key, settings)).then(toFloats, () => null)));
}

export async function writeEmbeddings(entries: [string, Float32Array][], settings: ResolvedSettings): Promise<void> {
  try {
    await mkdir(folder(settings), { recursive: true });
    await Promise.all(entries.map(([key, embedding]) => writeAtomically(pathOf(key, settings), toBytes(embedding))));
  } catch {
    // read-only or full disk: the labels are computed again next time
  }
}

async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function toFloats(bytes: Buffer): Float32Array {
  return Float32Array.from({ length: bytes.length >> 2 }, (_, index) => bytes.readFloatLE(index * 4));
}

function toBytes(floats: Float32Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(floats.length * 4);
  floats.forEach((value, index) => bytes.writeFloatLE(value, index * 4));
  return bytes;
}

const folder = (settings: ResolvedSettings) => join(cacheDir(settings), 'labels');

const pathOf = (key: string, settings: ResolvedSettings) =>
  join(folder(settings), createHash('sha256').update(key).digest('hex'));
