import type { StoreBackend } from './backend.js';

/** Removes the model unused for longest, other than `keep` and what is being fetched. False when there is none. */
export async function evictOldest(backend: StoreBackend, keep: string): Promise<boolean> {
  const journals = await backend.journals();
  const lastUse = new Map<string, number>(); // by model
  for (const { model, usedAt } of journals) lastUse.set(model, Math.max(usedAt, lastUse.get(model) ?? 0));
  for (const [model] of [...lastUse].sort(([, a], [, b]) => a - b)) {
    const urls = journals.filter((journal) => journal.model === model).map(({ url }) => url);
    if (model === keep || (await Promise.all(urls.map((url) => backend.isLocked(url)))).includes(true)) continue;
    for (const url of urls) await backend.remove(url);
    return true;
  }
  return false;
}
