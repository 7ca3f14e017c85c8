/** Files of which parts are read. */
import { open } from 'node:fs/promises';
import { MclipError } from '@mclip/core';
import type { ModelFile, RandomAccess } from '@mclip/core/adapter';

/** @throws {MclipError} `STORAGE` */
export async function openFile(file: ModelFile): Promise<RandomAccess> {
  const path = file as string;
  const failed = (cause: unknown) =>
    new MclipError('STORAGE', `Cannot read ${path}: ${(cause as Error).message}.`, { cause });
  const handle = await open(path).catch((cause) => Promise.reject(failed(cause)));
  const { size } = await handle.stat();
  return {
    size,
    async read(target, position) {
      const { bytesRead } = await handle
        .read(target, 0, target.length, position)
        .catch((cause) => Promise.reject(failed(cause)));
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
