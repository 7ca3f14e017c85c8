/** Pieces of a download on a shelf that refuses some. */
import type { MclipError } from '@mclip/core';
import { beforeEach, expect, test, vi } from 'vitest';
import type { WritableShelf } from '../src/store/shelf.js';
import { ShelfPart } from '../src/store/shelf-part.js';

beforeEach(() => {
  vi.stubGlobal('navigator', { storage: { estimate: async () => ({ usage: 1_000_000, quota: 1_000_000 }) } });
  return () => vi.unstubAllGlobals();
});

/** In memory; `refused` holds the numbers of the writes that fail. */
function memoryShelf(refused: number[]) {
  const content = new Map<string, Blob>();
  let writes = 0;
  const shelf: WritableShelf = {
    get: async (name) => content.get(name) ?? null,
    async put(name, blob) {
      if (refused.includes(++writes)) throw new DOMException('no room', 'QuotaExceededError');
      content.set(name, blob);
    },
    delete: async (name) => void content.delete(name),
    names: async () => [...content.keys()],
    stamp: () => null,
    isOnDisk: false,
    forWriting: async () => shelf,
  };
  return { shelf, content };
}

const chunk = (value: number) => new Uint8Array(40_000).fill(value); // two of them make a piece

test('what was refused is not counted, and may be given again', async () => {
  const { shelf, content } = memoryShelf([2]);
  const part = await ShelfPart.open(shelf, 'key', 160_000);
  let refusals = 0;
  while (part.size < 160_000) {
    const before = part.size;
    await part.append(chunk(1 + before / 40_000)).catch((error: MclipError) => {
      expect(error.code).toBe('STORAGE');
      expect(part.size).toBe(before);
      refusals++;
    });
  }
  expect(refusals).toBe(1);
  await part.finish();
  expect([...content.keys()]).toEqual(['key.file']);
  const bytes = new Uint8Array(await content.get('key.file')!.arrayBuffer());
  expect([bytes.length, ...[0, 1, 2, 3].map((i) => bytes[i * 40_000])]).toEqual([160_000, 1, 2, 3, 4]);
});

test('what is on the shelf is gone on with', async () => {
  const { shelf, content } = memoryShelf([]);
  const part = await ShelfPart.open(shelf, 'key', 160_000);
  for (const value of [1, 2, 3]) await part.append(chunk(value));
  await part.close();
  const next = await ShelfPart.open(shelf, 'key', 160_000);
  expect(next.size).toBe(120_000);
  await next.truncate();
  expect([next.size, content.size]).toEqual([0, 0]);
});
