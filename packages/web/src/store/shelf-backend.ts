/** All of the model store in a browser: what only a download or the management of models needs. */
import type { Journal, PartFile, StoreBackend, StreamingHash, WaitOptions } from '@mclip/core/adapter';
import type { WritableShelf } from './shelf.js';
import { partBytes, ShelfPart } from './shelf-part.js';
import { hex, keyOf, ShelfReader, typed } from './shelf-reader.js';

const POLL = 200; // ms

export class ShelfBackend extends ShelfReader<WritableShelf> implements StoreBackend {
  override async forWriting(): Promise<StoreBackend> {
    return this;
  }

  override async writeJournal(journal: Journal): Promise<void> {
    await typed(this.shelf.put(`${await keyOf(journal.url)}.json`, new Blob([JSON.stringify(journal)])));
  }

  override async hashOf(url: string): Promise<string> {
    const { subtle } = globalThis.crypto;
    const bytes = new Uint8Array(await typed((await this.open(url)).arrayBuffer()));
    if (subtle !== undefined) return hex(await subtle.digest('SHA-256', bytes));
    const hash = await this.newHash();
    hash.update(bytes);
    return hash.digest();
  }

  async journals(): Promise<Journal[]> {
    const names = await typed(this.shelf.names());
    const journals = await Promise.all(
      names.filter((name) => name.endsWith('.json')).map((name) => this.readJson(name)),
    );
    return journals.filter((journal) => journal !== null);
  }

  async partBytes(url: string): Promise<number> {
    return partBytes(this.shelf, await keyOf(url));
  }

  async remove(url: string): Promise<void> {
    const key = await keyOf(url);
    const names = (await typed(this.shelf.names())).filter((name) => name.startsWith(`${key}.`));
    for (const name of names.sort().reverse()) await typed(this.shelf.delete(name));
  }

  async clear(): Promise<void> {
    for (const name of await typed(this.shelf.names())) await typed(this.shelf.delete(name));
  }

  lock<T>(
    url: string,
    { signal, onWait }: WaitOptions,
    work: (openPart: (bytes: number | null) => Promise<PartFile>) => Promise<T>,
  ): Promise<T> {
    const shelf = this.shelf;
    const poll = setInterval(() => onWait?.(), POLL);
    return inTurn(url, signal, async () => {
      clearInterval(poll);
      return work(async (bytes) => ShelfPart.open(shelf, await keyOf(url), bytes));
    }).finally(() => clearInterval(poll));
  }

  async isLocked(url: string): Promise<boolean> {
    const { held = [] } = (await navigator.locks?.query()) ?? {};
    return held.some(({ name }) => name === lockName(url));
  }

  async newHash(): Promise<StreamingHash> {
    return (await import('./sha256.js')).newHash();
  }

  /** Half of what is free: for a moment there are two copies, the pieces and the whole. */
  async room(bytes: number): Promise<number | null> {
    if (!this.shelf.isOnDisk || navigator.storage === undefined) return null;
    const room = await halfOfFree();
    if (room === null || room >= bytes) return room;
    await navigator.storage.persist().catch(() => false); // may raise the quota
    return halfOfFree();
  }
}

async function halfOfFree(): Promise<number | null> {
  const { usage, quota } = await navigator.storage.estimate().catch(() => ({ usage: undefined, quota: undefined }));
  return usage === undefined || quota === undefined ? null : Math.max(0, quota - usage) / 2;
}

const lockName = (url: string) => `mclip ${url}`;
const turns = new Map<string, Promise<unknown>>();

/** Over all tabs and workers; on insecure pages within this one. */
function inTurn<T>(url: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (globalThis.navigator?.locks !== undefined) {
    return navigator.locks.request(lockName(url), { ...(signal !== undefined && { signal }) }, work) as Promise<T>;
  }
  const result = (turns.get(url) ?? Promise.resolve()).then(work);
  turns.set(
    url,
    result.catch(() => {}),
  );
  return result;
}
