import type { StoreBackend } from './backend.js';

/** Removes models, those unused for longest first, until `bytes` fit. Gives the room there is then. */
export async function evictFor(bytes: number, backend: StoreBackend, keep: string): Promise<number | null> {
  const lastUse = new Map<string, number>(); // by model
  const journals = await backend.journals();
  for (const { model, usedAt } of journals) lastUse.set(model, Math.max(usedAt, lastUse.get(model) ?? 0));
  let room = await backend.room(bytes);
  for (const [model] of [...lastUse].sort(([, a], [, b]) => a - b)) {
    if (room === null || room >= bytes) break;
    if (model === keep) continue;
    const urls = journals.filter((journal) => journal.model === model).map(({ url }) => url);
    if ((await Promise.all(urls.map((url) => backend.isLocked(url)))).includes(true)) continue;
    for (const url of urls) await backend.remove(url);
    room = await backend.room(bytes);
  }
  return room;
}
