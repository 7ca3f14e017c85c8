/** From a URL to a verified file in the store: one at a time over all tabs and processes, resumed, retried, checked. */
import { MclipError } from '../errors.js';
import type { FetchedFile, FetchOptions } from '../platform.js';
import type { Journal, PartState, StoreBackend } from './backend.js';
import { evictOldest } from './evict.js';
import { HashedPart } from './hashed-part.js';
import { Patience } from './patience.js';
import type { Network } from './request.js';
import { storedBytes } from './stored.js';
import { transfer, WrongContent } from './transfer.js';

export interface Download {
  backend: StoreBackend;
  network: Network;
  file: FetchedFile;
  options: FetchOptions;
  /** Small text: a limit holds, and HTML is not an error. */
  isText: boolean;
  /** `verifiedAt` of the stored file that will not do; null when any will. */
  replaces: number | null;
}

const MOST_TEXT = 32 << 20; // bytes; the largest tokenizer.json known has 11 million

type OpenPart = Parameters<Parameters<StoreBackend['lock']>[2]>[0];

/**
 * False when there is no such file.
 *
 * @throws {MclipError} `NETWORK`, `OFFLINE`, `MODEL_CORRUPT`, `STORAGE`; or the signal's own reason.
 */
export async function download(job: Download): Promise<boolean> {
  const { backend, file, options } = job;
  const { signal, onBytes, settings } = options;
  if (settings.offline && /^https?:/.test(file.url))
    throw new MclipError('OFFLINE', `offline is set and ${file.url} is not stored here.`);
  const onWait = () => {
    if (onBytes !== undefined) {
      void backend.partBytes(file.url).then(
        (bytes) => bytes > 0 && onBytes(bytes, file.bytes),
        () => {},
      );
    }
  };
  return backend.lock(file.url, { signal, onWait }, async (openPart) => {
    signal?.throwIfAborted();
    const journal = await backend.readJournal(file.url);
    // whoever held the lock before may have fetched it
    const isFresh = job.replaces === null || (journal?.file?.verifiedAt ?? job.replaces) !== job.replaces;
    const bytes = isFresh ? await storedBytes(backend, file, signal) : null;
    if (bytes === null) return fetchWhole(job, journal, openPart);
    onBytes?.(bytes, bytes);
    return true;
  });
}

async function fetchWhole(job: Download, before: Journal | null, openPart: OpenPart): Promise<boolean> {
  const { backend, network, file, options } = job;
  const { url, bytes, sha256 } = file;
  const { settings, signal } = options;
  let state: PartState = before?.part ?? { bytes, sha256, etag: null };
  // bytes of an unknown version are no use, unless a hash will tell
  const isUseful =
    before?.part != null &&
    state.bytes === (bytes ?? state.bytes) &&
    state.sha256 === sha256 &&
    (sha256 ?? state.etag) !== null;
  if (!isUseful) state = { bytes, sha256, etag: null };
  const journal = { url, model: file.model ?? url, usedAt: Date.now(), file: before?.file ?? null };
  const opened = await openPart(bytes);
  try {
    const part = await HashedPart.open(backend, opened, isUseful);
    await withEviction(job, () => findRoom(job, (bytes ?? 0) - part.size));
    const patience = new Patience(settings, signal);
    for (let isSecond = false; ; isSecond = true) {
      try {
        for (let isThere: boolean | null = false; isThere !== true; ) {
          const sizeBefore = part.size;
          isThere = await withEviction(job, () =>
            transfer({
              url,
              bytes,
              limit: job.isText ? MOST_TEXT : Number.POSITIVE_INFINITY,
              etag: state.etag,
              refusesPages: !job.isText,
              part,
              network,
              options,
              async onVersion(etag, announced) {
                state = { bytes: announced, sha256, etag };
                await backend.writeJournal({ ...journal, part: state });
              },
            }),
          ).catch((error) => patience.wait(error, part.size - sizeBefore).then(() => false));
          if (isThere === null) {
            await opened.close();
            if (journal.file === null) await backend.remove(url);
            return false;
          }
        }
        const actual = part.sha256();
        if (sha256 !== null && actual !== sha256) throw new WrongContent(`has SHA-256 ${actual} instead of ${sha256}`);
        await withEviction(job, () => opened.finish());
        const { bytes: size, stamp } = (await backend.look(url))!;
        const verified = { bytes: size, sha256: actual, stamp, verifiedAt: Date.now() };
        await backend.writeJournal({ ...journal, file: verified, part: null });
        options.onBytes?.(size, size);
        return true;
      } catch (error) {
        if (!(error instanceof WrongContent)) throw error;
        await part.startOver();
        state = { bytes, sha256, etag: null };
        if (journal.file === null) await backend.remove(url);
        else await backend.writeJournal({ ...journal, part: null });
        if (isSecond || !error.mayChange)
          throw new MclipError('MODEL_CORRUPT', `The model file ${url} ${error.message}.`);
      }
    }
  } finally {
    await opened.close();
  }
}

/** Before the first byte, not after the last that fits. */
async function findRoom({ backend, file }: Download, bytes: number): Promise<void> {
  const room = await backend.room(bytes);
  if (room === null || room >= bytes) return;
  throw new MclipError(
    'STORAGE',
    `${file.url} needs ${megabytes(bytes)} MB and there is room for ${megabytes(room)} MB. Free some space, remove a ` +
      'model (models.list, models.remove), or set evict: true to let those unused for longest go.',
  );
}

/** Does `work` again as long as a full disk stops it and, with `evict`, an old model can go. */
async function withEviction<T>({ backend, file, options }: Download, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isStorage = MclipError.isInstance(error) && error.code === 'STORAGE';
      if (!isStorage || !options.settings.evict) throw error;
      if (!(await evictOldest(backend, file.model ?? file.url))) throw error;
    }
  }
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
