/** Which model goes when another needs its room. */
import { expect, test } from 'vitest';
import type { Journal, StoreBackend } from '../../src/store/backend.js';
import { evictOldest } from '../../src/store/evict.js';

/** A store with one file per entry: model, when it was used last, and whether it is being fetched. */
function store(...entries: [model: string, usedAt: number, isLocked?: boolean][]) {
  const files = new Map(
    entries.map(([model, usedAt, isLocked = false], i) => [`${model}/${i}`, { model, usedAt, isLocked }]),
  );
  const backend = {
    journals: async () =>
      [...files].map(([url, { model, usedAt }]): Journal => ({ url, model, usedAt, file: null, part: null })),
    isLocked: async (url: string) => files.get(url)!.isLocked,
    remove: async (url: string) => void files.delete(url),
  } as Partial<StoreBackend> as StoreBackend;
  return { backend, models: () => [...new Set([...files.values()].map(({ model }) => model))] };
}

test('the model unused for longest goes first, with all of its files', async () => {
  const { backend, models } = store(['new', 30], ['old', 10], ['middle', 20], ['old', 11]);
  expect(await evictOldest(backend, 'wanted')).toBe(true);
  expect(models()).toEqual(['new', 'middle']);
  expect(await evictOldest(backend, 'wanted')).toBe(true);
  expect(models()).toEqual(['new']);
});

test('a model is as old as the file of it that was used last', async () => {
  const { backend, models } = store(['a', 1], ['b', 20], ['a', 30]);
  expect(await evictOldest(backend, 'wanted')).toBe(true);
  expect(models()).toEqual(['a']);
});

test('neither the model that needs the room goes, nor one that is being fetched', async () => {
  const { backend, models } = store(['wanted', 1], ['coming', 2], ['coming', 3, true], ['free', 4]);
  expect(await evictOldest(backend, 'wanted')).toBe(true);
  expect(models()).toEqual(['wanted', 'coming']);
  expect(await evictOldest(backend, 'wanted')).toBe(false);
  expect(models()).toEqual(['wanted', 'coming']);
});
