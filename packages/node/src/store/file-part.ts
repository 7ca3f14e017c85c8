import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PartFile } from '@mclip/core/adapter';
import type { FileLock } from './file-lock.js';
import type { StorePaths } from './paths.js';
import { nullWhenMissing, typed } from './storage-error.js';

/** A download under way, on disk. Every chunk is written as it comes: a killed process loses nothing of it. */
export class FilePart implements PartFile {
  readonly #paths: StorePaths;
  readonly #lock: FileLock;
  #handle: FileHandle | null = null;
  size: number;

  private constructor(paths: StorePaths, lock: FileLock, size: number) {
    this.#paths = paths;
    this.#lock = lock;
    this.size = size;
  }

  static async open(paths: StorePaths, lock: FileLock): Promise<FilePart> {
    return new FilePart(paths, lock, (await stat(paths.part).catch(nullWhenMissing))?.size ?? 0);
  }

  read(): AsyncIterable<Uint8Array> {
    return createReadStream(this.#paths.part, { end: this.size - 1, highWaterMark: 1 << 20 });
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#lock.check();
    await typed(this.#paths.part, this.#write(chunk));
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#handle ??= await open(this.#paths.part, this.size === 0 ? 'w' : 'r+');
    for (let done = 0; done < chunk.length; ) {
      // at its place: should two ever write at once, they write the same
      done += (await this.#handle.write(chunk, done, chunk.length - done, this.size + done)).bytesWritten;
    }
    this.size += chunk.length;
  }

  async truncate(): Promise<void> {
    await this.close();
    this.size = 0;
    await typed(this.#paths.part, rm(this.#paths.part, { force: true }));
  }

  /** On the disk for good before it has its name. */
  async finish(): Promise<void> {
    await this.#lock.check();
    await typed(this.#paths.file, this.#rename());
  }

  async #rename(): Promise<void> {
    const { part, file } = this.#paths;
    this.#handle ??= await open(part, this.size === 0 ? 'w' : 'r+'); // an empty file is one too
    await this.#handle.datasync();
    await this.close();
    await mkdir(dirname(file), { recursive: true });
    await rename(part, file);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }
}
