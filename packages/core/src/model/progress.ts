/** Progress of everything long: one honest total over all files, and a count for texts. */

export type Progress =
  | { phase: 'download'; file: string; loadedBytes: number; totalBytes: number | null; bytesPerSecond: number }
  | { phase: 'text'; done: number; total: number };

export type OnProgress = (progress: Progress) => void;

/** Sums several downloads into one figure that never goes backwards. `totalBytes` is null until all sizes are known. */
export class DownloadProgress {
  readonly #onProgress: OnProgress | undefined;
  readonly #files = new Map<string, { loaded: number; total: number | null }>();
  readonly #startedAt = performance.now();

  constructor(onProgress: OnProgress | undefined) {
    this.#onProgress = onProgress;
  }

  track(file: string, bytes: number | null): (loadedBytes: number, totalBytes: number | null) => void {
    const entry = { loaded: 0, total: bytes };
    this.#files.set(file, entry);
    return (loadedBytes, totalBytes) => {
      entry.loaded = Math.max(entry.loaded, loadedBytes);
      entry.total ??= totalBytes;
      this.#report(file);
    };
  }

  #report(file: string): void {
    if (this.#onProgress === undefined) return;
    let loadedBytes = 0;
    let totalBytes: number | null = 0;
    for (const { loaded, total } of this.#files.values()) {
      loadedBytes += loaded;
      totalBytes = totalBytes === null || total === null ? null : totalBytes + total;
    }
    const seconds = Math.max(0.001, (performance.now() - this.#startedAt) / 1000);
    this.#onProgress({
      phase: 'download',
      file,
      loadedBytes,
      totalBytes,
      bytesPerSecond: Math.round(loadedBytes / seconds),
    });
  }
}
