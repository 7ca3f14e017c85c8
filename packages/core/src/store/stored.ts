import type { FetchedFile } from '../platform.js';
import type { StoreReader } from './backend.js';

/**
 * Bytes of a stored file that is what it should be; null when it must be fetched. Its hash was checked when it came,
 * and is checked again when anything about it has changed since.
 */
export async function storedBytes(
  backend: StoreReader,
  file: Pick<FetchedFile, 'url' | 'bytes' | 'sha256' | 'model'>,
  signal?: AbortSignal,
): Promise<number | null> {
  const { url } = file;
  const [journal, found] = await Promise.all([backend.readJournal(url), backend.look(url)]);
  const verified = journal?.file ?? null;
  // without a published hash the first download counts
  const sha256 = file.sha256 ?? verified?.sha256 ?? null;
  if (found === null || sha256 === null || found.bytes !== (file.bytes ?? found.bytes)) return null;
  if (journal !== null && verified?.sha256 === sha256 && found.stamp !== null && verified.stamp === found.stamp) {
    await backend.touch(journal);
    return found.bytes;
  }
  const changed = await import('./checked-again.js');
  return (await changed.isStillRight(backend, { ...file, sha256 }, journal, found, signal)) ? found.bytes : null;
}
