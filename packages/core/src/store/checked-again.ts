/** Stored files of which something has changed since their hash was checked. Loaded with the first. */
import type { FetchedFile } from '../platform.js';
import type { Journal, StoreReader } from './backend.js';

/** @param found as `StoreReader.look` gives it: noted, so that the hash need not be computed again */
export async function isStillRight(
  backend: StoreReader,
  { url, sha256, model = url }: Pick<FetchedFile, 'url' | 'model'> & { sha256: string },
  journal: Journal | null,
  found: { bytes: number; stamp: string | null },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if ((await backend.hashOf(url, signal)) !== sha256) return false;
  const now = Date.now();
  const checked = { ...found, sha256, verifiedAt: journal?.file?.verifiedAt ?? now };
  const renewed = { url, model, usedAt: now, part: null, ...journal, file: checked };
  await backend.writeJournal(renewed).catch(() => {}); // read-only: checked again next time
  return true;
}
