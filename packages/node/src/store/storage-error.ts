import { MclipError } from '@mclip/core';

/** Null for a file that does not exist, as the answer to a `catch`. */
export function nullWhenMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw storageError(error.path ?? 'the cache', error);
}

/** @throws {MclipError} `STORAGE` in place of what the file system says */
export async function typed<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw storageError(path, cause);
  }
}

function storageError(path: string, cause: unknown): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (MclipError.isInstance(cause) || code === undefined || !/^E[A-Z]+$/.test(code)) return cause;
  const way =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'The disk is full: free some space; what was fetched so far is kept.'
      : 'Set cacheDir, or MCLIP_CACHE_DIR, to a folder that can be written.';
  return new MclipError('STORAGE', `Cannot read or write ${path}: ${message}. ${way}`, { cause });
}
