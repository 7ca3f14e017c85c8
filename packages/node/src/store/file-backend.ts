/** The model store on disk. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Journal, PartFile, StoreBackend, StreamingHash, WaitOptions } from '@mclip/core/adapter';
import { FileLock, isHeld, LostLock } from './file-lock.js';
import { FilePart } from './file-part.js';
import { type StorePaths, storePaths } from './paths.js';
import { nullWhenMissing, typed } from './storage-error.js';

export class FileBackend implements StoreBackend {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  #paths(url: string): StorePaths {
    return storePaths(this.#root, url);
  }

  readJournal(url: string): Promise<Journal | null> {
    return readJournalFile(this.#paths(url).journal, url);
  }

  async writeJournal(journal: Journal): Promise<void> {
    const path = this.#paths(journal.url).journal;
    const temporary = `${path}.tmp`; // one name, for whoever holds the lock: a killed process leaves one at most
    await typed(path, this.#makeFolder());
    await typed(
      path,
      writeFile(temporary, JSON.stringify(journal)).then(() => rename(temporary, path)),
    );
  }

  /** The journal's own time tells when the file was used last. */
  async touch({ url }: Journal): Promise<void> {
    const now = new Date();
    await utimes(this.#paths(url).journal, now, now).catch(() => {});
  }

  async journals(): Promise<Journal[]> {
    const folder = join(this.#root, 'store');
    const names = (await readdir(folder).catch(nullWhenMissing)) ?? [];
    const paths = names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name));
    const journals = await Promise.all(paths.map((path) => readJournalFile(path, null)));
    return journals.filter((journal) => journal !== null);
  }

  /** A change of content changes `ctime`, which nobody can set back. */
  async look(url: string): Promise<{ bytes: number; stamp: string } | null> {
    const seen = await stat(this.#paths(url).file).catch(nullWhenMissing);
    return seen && { bytes: seen.size, stamp: `${seen.mtimeMs} ${seen.ctimeMs} ${seen.ino}` };
  }

  async open(url: string): Promise<string> {
    return this.#paths(url).file;
  }

  readText(url: string): Promise<string> {
    const { file } = this.#paths(url);
    return typed(file, readFile(file, 'utf8'));
  }

  hashOf(url: string, signal?: AbortSignal): Promise<string> {
    return hashOfFile(this.#paths(url).file, signal);
  }

  async forWriting(): Promise<StoreBackend> {
    return this;
  }

  async partBytes(url: string): Promise<number> {
    return (await stat(this.#paths(url).part).catch(nullWhenMissing))?.size ?? 0;
  }

  async remove(url: string): Promise<void> {
    const { file, part, journal } = this.#paths(url);
    // the journal last: while it is there, the others can be found
    for (const path of [part, file, journal]) await typed(path, rm(path, { force: true }));
  }

  async clear(): Promise<void> {
    for (const folder of ['models', 'store']) {
      const path = join(this.#root, folder);
      await typed(path, rm(path, { recursive: true, force: true }));
    }
  }

  async lock<T>(
    url: string,
    options: WaitOptions,
    work: (openPart: () => Promise<PartFile>) => Promise<T>,
  ): Promise<T> {
    const paths = this.#paths(url);
    await typed(paths.lock, this.#makeFolder());
    for (;;) {
      const lock = await typed(paths.lock, FileLock.acquire(paths.lock, options));
      try {
        return await work(() => FilePart.open(paths, lock));
      } catch (error) {
        if (!(error instanceof LostLock)) throw error;
      } finally {
        await lock.release();
      }
    }
  }

  isLocked(url: string): Promise<boolean> {
    return isHeld(this.#paths(url).lock);
  }

  async newHash(): Promise<StreamingHash> {
    const hash = createHash('sha256');
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest('hex') };
  }

  async room(): Promise<number | null> {
    const disk = await statfs(this.#root).catch(() => null);
    return disk && disk.bavail * disk.bsize;
  }

  #makeFolder() {
    return mkdir(join(this.#root, 'store'), { recursive: true });
  }
}

export async function hashOfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const bytes = createReadStream(path, { highWaterMark: 1 << 20 });
  await typed(path, pipeline(bytes, hash, signal === undefined ? {} : { signal }));
  return hash.digest('hex');
}

/** Null when it is missing, damaged, or of another URL (for which a hash would have to collide). */
async function readJournalFile(path: string, url: string | null): Promise<Journal | null> {
  const [text, seen] = await Promise.all([
    readFile(path, 'utf8').catch(nullWhenMissing),
    stat(path).catch(nullWhenMissing),
  ]);
  try {
    const journal = JSON.parse(text ?? 'null') as Journal | null;
    if (journal === null || (url !== null && journal.url !== url)) return null;
    return { ...journal, usedAt: seen?.mtimeMs ?? journal.usedAt };
  } catch {
    return null;
  }
}
