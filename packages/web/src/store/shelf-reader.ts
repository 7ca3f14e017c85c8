/** What a warm start needs of the model store in a browser. */
import type { Journal, StoreBackend, StoreReader } from '@mclip/core/adapter';
import type { Shelf } from './shelf.js';

/** Use is noted once in so many milliseconds: noting it costs a write. */
const TOUCH_INTERVAL = 3_600_000;

export class ShelfReader<S extends Shelf = Shelf> implements StoreReader {
  protected readonly shelf: S;

  constructor(shelf: S) {
    this.shelf = shelf;
  }

  async readJournal(url: string): Promise<Journal | null> {
    const journal = await this.readJson(`${await keyOf(url)}.json`);
    return journal?.url === url ? journal : null;
  }

  protected async readJson(name: string): Promise<Journal | null> {
    const blob = await typed(this.shelf.get(name));
    try {
      return blob && JSON.parse(await blob.text());
    } catch {
      return null; // a tab was closed before it was written
    }
  }

  async writeJournal(journal: Journal): Promise<void> {
    await (await this.forWriting()).writeJournal(journal);
  }

  async touch(journal: Journal): Promise<void> {
    const now = Date.now();
    if (now - journal.usedAt > TOUCH_INTERVAL) await this.writeJournal({ ...journal, usedAt: now }).catch(() => {});
  }

  async look(url: string): Promise<{ bytes: number; stamp: string | null } | null> {
    const file = await this.#file(url);
    return file && { bytes: file.size, stamp: this.shelf.stamp(file) };
  }

  async open(url: string): Promise<Blob> {
    return (await this.#file(url))!;
  }

  async readText(url: string): Promise<string> {
    return typed((await this.open(url)).text());
  }

  async hashOf(url: string): Promise<string> {
    return (await this.forWriting()).hashOf(url);
  }

  /** Code of its own. */
  async forWriting(): Promise<StoreBackend> {
    const [whole, shelf] = await Promise.all([import('./shelf-backend.js'), this.shelf.forWriting()]);
    return new whole.ShelfBackend(shelf);
  }

  async #file(url: string): Promise<Blob | null> {
    return typed(this.shelf.get(`${await keyOf(url)}.file`));
  }
}

/** A name that any storage takes. */
export async function keyOf(url: string): Promise<string> {
  const { subtle } = globalThis.crypto;
  if (subtle === undefined) return encodeURIComponent(url); // memory only
  return hex(await subtle.digest('SHA-256', new TextEncoder().encode(url))).slice(0, 32);
}

export const hex = (digest: ArrayBuffer) =>
  Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** @throws {MclipError} `STORAGE` in place of what the browser says */
export async function typed<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const errors = await import('./storage-error.js');
    throw await errors.storageError(cause);
  }
}
