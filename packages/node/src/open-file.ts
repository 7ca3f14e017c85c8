/** Files of which parts are read, on a disk or in memory. */
import { readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { MclipError } from '@mclip/core';
import type { ModelFile, RandomAccess } from '@mclip/core/adapter';

/** Bytes that take less time to read than to wait for another thread to read them, one that computes meanwhile. */
const SMALL = 1 << 16;

/** @throws {MclipError} `STORAGE` */
export async function openFile(file: ModelFile): Promise<RandomAccess> {
  const path = file as string;
  const failed = (cause: unknown) =>
    new MclipError('STORAGE', `Cannot read ${path}: ${(cause as Error).message}.`, { cause });
  const handle = await open(path).catch((cause) => Promise.reject(failed(cause)));
  const { size } = await handle.stat().catch(async (cause) => {
    await handle.close();
    throw failed(cause);
  });
  return {
    size,
    async read(target, position) {
      let bytesRead: number;
      try {
        if (target.length <= SMALL) bytesRead = readSync(handle.fd, target, 0, target.length, position);
        else ({ bytesRead } = await handle.read(target, 0, target.length, position));
      } catch (cause) {
        throw failed(cause);
      }
      if (bytesRead !== target.length) {
        throw new MclipError(
          'MODEL_CORRUPT',
          `${path} ends before byte ${position + target.length}; it was cut short.`,
        );
      }
    },
    close: () => handle.close(),
  };
}

export function bytesAsFile(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    async read(target, position) {
      target.set(bytes.subarray(position, position + target.length));
    },
    async close() {},
  };
}
