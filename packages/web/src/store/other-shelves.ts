/** Where there is no private file system. */
import type { WritableShelf } from './shelf.js';

export const otherShelf = () => cacheShelf().catch(() => memoryShelf());

async function cacheShelf(): Promise<WritableShelf> {
  const cache = await caches.open('mclip');
  const base = 'https://mclip.invalid/';
  const shelf: WritableShelf = {
    get: async (name) => (await (await cache.match(base + name))?.blob()) ?? null,
    put: (name, content) => cache.put(base + name, new Response(content)),
    delete: async (name) => void (await cache.delete(base + name)),
    names: async () => (await cache.keys()).map(({ url }) => url.slice(base.length)),
    stamp: () => null,
    isOnDisk: true,
    forWriting: async () => shelf,
  };
  return shelf;
}

export function memoryShelf(): WritableShelf {
  const blobs = new Map<string, Blob>();
  const shelf: WritableShelf = {
    get: async (name) => blobs.get(name) ?? null,
    put: async (name, content) => void blobs.set(name, content),
    delete: async (name) => void blobs.delete(name),
    names: async () => [...blobs.keys()],
    stamp: () => 'memory',
    isOnDisk: false,
    forWriting: async () => shelf,
  };
  return shelf;
}
