import { raceSignal } from '../abort.js';
import { invalid, shown } from '../errors.js';

/**
 * Maps an iterable with a few items under way at once and yields results in the source's order. The source is read
 * only as fast as results are taken, so memory is bounded whatever its length; a result does not wait for the source's
 * next item, so a live source sees each one at once. A failure, of an item or of the source, is thrown in its turn.
 * Aborting, or leaving the loop early, stops reading, aborts what is under way and closes the source.
 *
 * @throws {MclipError} `INVALID_ARGUMENT` when the source cannot be iterated; the signal's own reason.
 */
export async function* mapInOrder<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T, index: number, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void, undefined> {
  signal?.throwIfAborted();
  const iterator = iteratorOf(source);
  const leaving = new AbortController();
  const stop = signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]);
  const underWay: Promise<R>[] = [];
  let reading: Promise<false> | null = null;
  let index = 0;
  let ended = false;

  const start = (result: Promise<R>) => {
    result.catch(() => {}); // it is awaited below, in its turn
    underWay.push(result);
  };
  const workOn = async (item: T) => work(item, index++, stop);
  const readOne = async (): Promise<false> => {
    try {
      const next = await iterator.next();
      if (next.done) ended = true;
      else if (!stop.aborted) start(workOn(next.value));
    } catch (error) {
      ended = true;
      start(Promise.reject(error));
    }
    reading = null;
    return false;
  };

  try {
    while (true) {
      if (!ended && underWay.length < limit) reading ??= readOne();
      const first = underWay[0];
      if (first === undefined) {
        if (reading === null) return;
        await raceSignal(reading, signal);
      } else if (reading === null || (await Promise.race([reading, isSettled(first)]))) {
        underWay.shift();
        yield await raceSignal(first, signal);
      }
    }
  } finally {
    leaving.abort();
    if (!ended) {
      const closed = close(iterator);
      // a source that is being read closes after its next item, which may never come
      if (reading === null) await closed;
      else closed.catch(() => {});
    }
  }
}

function iteratorOf<T>(source: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
    if (Symbol.iterator in source) return source[Symbol.iterator]();
  }
  throw invalid(`Expected a list or another iterable of images, got ${shown(source)}.`);
}

const isSettled = (promise: Promise<unknown>): Promise<true> =>
  promise.then(
    () => true,
    () => true,
  );

const close = async (iterator: Iterator<unknown> | AsyncIterator<unknown>) => iterator.return?.();
