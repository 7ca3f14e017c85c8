/** Progress of everything long: one honest total over all files, and a count for texts. */
import type { LocatedModel } from './locate.js';
import type { ManifestFile } from './manifest.js';
import { withWeights } from './split-file.js';

export type Progress =
  | { phase: 'download'; file: string; loadedBytes: number; totalBytes: number | null; bytesPerSecond: number }
  | { phase: 'text'; done: number; total: number };

export type OnProgress = (progress: Progress) => void;

interface Tracked {
  loaded: number;
  /** What was there before: no part of the rate. */
  first: number;
  total: number | null;
}

/** Of files of a model, whose sizes are known before the first byte is fetched. */
export async function progressOver(
  { locate }: LocatedModel<unknown>,
  graphs: readonly ManifestFile[],
  onProgress: OnProgress,
): Promise<DownloadProgress> {
  const files = withWeights(graphs);
  const located = await Promise.all(files.map(locate));
  return new DownloadProgress(
    onProgress,
    files.map(({ file }, index) => ({ file, bytes: located[index]!.bytes })),
  );
}

/** Sums several downloads into one figure that never goes backwards. `totalBytes` is null until all sizes are known. */
export class DownloadProgress {
  readonly #onProgress: OnProgress;
  readonly #files = new Map<string, Tracked>();
  readonly #startedAt = performance.now();

  /** @param files all of them, with their sizes where they are known */
  constructor(onProgress: OnProgress, files: readonly { file: string; bytes: number | null }[]) {
    this.#onProgress = onProgress;
    for (const { file, bytes } of files) this.#files.set(file, { loaded: 0, first: -1, total: bytes });
  }

  /** The `onBytes` of one file. */
  of(file: string): (loadedBytes: number, totalBytes: number | null) => void {
    const entry = this.#files.get(file)!;
    return (loadedBytes, totalBytes) => {
      if (entry.first < 0) entry.first = loadedBytes;
      entry.loaded = Math.max(entry.loaded, loadedBytes);
      entry.total ??= totalBytes;
      this.#report(file);
    };
  }

  #report(file: string): void {
    let loadedBytes = 0;
    let transferred = 0;
    let totalBytes: number | null = 0;
    for (const { loaded, first, total } of this.#files.values()) {
      loadedBytes += loaded;
      transferred += loaded - Math.max(0, first);
      totalBytes = totalBytes === null || total === null ? null : totalBytes + total;
    }
    const seconds = Math.max(0.001, (performance.now() - this.#startedAt) / 1000);
    const bytesPerSecond = Math.round(transferred / seconds);
    this.#onProgress({ phase: 'download', file, loadedBytes, totalBytes, bytesPerSecond });
  }
}
