/**
 * Maps an iterable with a few items under way at once and yields results in the source's order. The source is read
 * only as fast as results are taken, so memory is bounded whatever its length. Leaving the loop early stops reading,
 * aborts what is under way and closes the source.
 */
export async function* mapInOrder<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T, index: number, signal: AbortSignal) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : (source as Iterable<T>)[Symbol.iterator]();
  const leaving = new AbortController();
  const underWay: Promise<R>[] = [];
  let index = 0;
  let ended = false;
  try {
    while (true) {
      while (!ended && underWay.length < limit) {
        const next = await iterator.next();
        if (next.done) ended = true;
        else {
          const result = work(next.value, index++, leaving.signal);
          result.catch(() => {}); // it is awaited below, in its turn
          underWay.push(result);
        }
      }
      const first = underWay.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    leaving.abort();
    if (!ended) await iterator.return?.();
  }
}
