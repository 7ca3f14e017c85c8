import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mapInOrder } from '../../src/clip/in-order.js';
import { rejection } from '../thrown.js';

let unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  await sleep(5);
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

/** A source that tells how far it was read and whether it was closed. */
function counted(length: number) {
  const state = { read: 0, closed: false };
  function* sync() {
    try {
      while (state.read < length) yield state.read++;
    } finally {
      state.closed = true;
    }
  }
  async function* async() {
    try {
      while (state.read < length) {
        await null;
        yield state.read++;
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, sync, async };
}

/** Promises that a test settles by hand. */
function gates() {
  const opened = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  const work = (item: number) =>
    new Promise<number>((resolve, reject) => {
      opened.set(item, { resolve: () => resolve(item * 10), reject });
    });
  return { opened, work };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test('results come in the order of the source, whatever finishes first', async () => {
  const delays = fc.array(fc.nat(4), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(delays, fc.integer({ min: 1, max: 5 }), fc.boolean(), async (items, limit, isSync) => {
      async function* source() {
        yield* items;
      }
      const results = await all(
        mapInOrder(isSync ? items : source(), limit, async (delay, index) => {
          await sleep(delay);
          return [index, delay];
        }),
      );
      expect(results).toEqual(items.map((delay, index) => [index, delay]));
    }),
    { numRuns: 40 },
  );
});

test.each(['sync', 'async'] as const)('an empty %s source gives nothing', async (kind) => {
  expect(await all(mapInOrder(counted(0)[kind](), 3, async () => 1))).toEqual([]);
});

test.each(['sync', 'async'] as const)('at most `limit` items of a %s source are under way', async (kind) => {
  let now = 0;
  let most = 0;
  const work = async (item: number) => {
    most = Math.max(most, ++now);
    await sleep(2);
    now--;
    return item;
  };
  expect(await all(mapInOrder(counted(20)[kind](), 4, work))).toHaveLength(20);
  expect(most).toBe(4);
});

test.each(['sync', 'async'] as const)('a %s source is read only as fast as results are taken', async (kind) => {
  const source = counted(1_000_000);
  const results = mapInOrder(source[kind](), 3, async (item) => item);
  expect(source.state.read).toBe(0);
  for (let taken = 1; taken <= 10; taken++) {
    await results.next();
    await sleep(2);
    expect(source.state.read).toBeLessThanOrEqual(taken + 3);
  }
  await results.return();
});

test('a result does not wait for the next item of a live source', async () => {
  let send: (item: number) => void = () => {};
  const received: number[] = [];
  async function* live() {
    for (let turn = 0; turn < 3; turn++) yield await new Promise<number>((resolve) => (send = resolve));
  }
  const loop = (async () => {
    for await (const result of mapInOrder(live(), 3, async (item) => item)) {
      received.push(result);
      send(result + 1); // the next item exists only because of this result
    }
  })();
  await sleep(1);
  send(1);
  await Promise.race([loop, sleep(2000)]);
  expect(received).toEqual([1, 2, 3]);
});

test.each(['sync', 'async'] as const)('leaving the loop closes a %s source and aborts the work', async (kind) => {
  const source = counted(100);
  const signals: AbortSignal[] = [];
  const work = (item: number, _index: number, signal: AbortSignal) => {
    signals.push(signal);
    return item === 0 ? Promise.resolve(0) : new Promise<number>(() => {});
  };
  for await (const _ of mapInOrder(source[kind](), 3, work)) {
    expect(signals.every(({ aborted }) => !aborted)).toBe(true);
    break;
  }
  await sleep(1);
  expect(source.state.closed).toBe(true);
  expect(signals.length).toBeGreaterThan(0);
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
});

test('leaving the loop does not wait for a source that has no next item', async () => {
  let closed = false;
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]() {
      let turn = 0;
      return {
        next: () => (turn++ === 0 ? Promise.resolve({ done: false, value: 7 }) : new Promise(() => {})),
        return: () => {
          closed = true;
          return new Promise(() => {});
        },
      };
    },
  };
  const loop = async () => {
    for await (const result of mapInOrder(source, 3, async (item) => item)) return result;
  };
  expect(await Promise.race([loop(), sleep(1000, 'still waiting')])).toBe(7);
  expect(closed).toBe(true);
});

test.each(['sync', 'async'] as const)('the error of an item is thrown in its turn (%s source)', async (kind) => {
  const source = counted(100);
  const { opened, work } = gates();
  const results = mapInOrder(source[kind](), 3, work);
  const first = results.next();
  await sleep(2);
  expect([...opened.keys()]).toEqual([0, 1, 2]);
  opened.get(1)!.reject(new Error('item 1'));
  opened.get(2)!.reject(new Error('item 2'));
  await sleep(2);
  opened.get(0)!.resolve();
  expect(await first).toEqual({ done: false, value: 0 });
  await expect(results.next()).rejects.toThrow('item 1');
  expect(source.state.closed).toBe(true);
  expect(await results.next()).toEqual({ done: true, value: undefined });
});

test('the items under way are aborted when one fails', async () => {
  const aborted: number[] = [];
  const work = async (item: number, _index: number, signal: AbortSignal) => {
    signal.addEventListener('abort', () => aborted.push(item));
    await sleep(1);
    if (item === 0) throw new Error('item 0');
    return new Promise<number>(() => {});
  };
  await expect(all(mapInOrder([0, 1, 2, 3], 3, work))).rejects.toThrow('item 0');
  expect(aborted).toContain(1);
  expect(aborted).not.toContain(3);
});

test('work that throws at once fails like any other, and in its turn', async () => {
  const source = counted(5);
  const work = (item: number): Promise<number> => {
    if (item === 1) throw new Error('item 1');
    return sleep(3, item);
  };
  const results = mapInOrder(source.sync(), 3, work);
  expect(await results.next()).toEqual({ done: false, value: 0 });
  await expect(results.next()).rejects.toThrow('item 1');
  expect(source.state.closed).toBe(true);
});

test('the error of a source is thrown after the results before it', async () => {
  let returned = false;
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]() {
      let turn = 0;
      return {
        next: async () => {
          if (turn === 2) throw new Error('source');
          return { done: false, value: turn++ };
        },
        return: async () => {
          returned = true;
          return { done: true, value: undefined };
        },
      };
    },
  };
  const results: number[] = [];
  const loop = async () => {
    for await (const result of mapInOrder(source, 5, (item) => sleep(5, item))) results.push(result);
  };
  await expect(loop()).rejects.toThrow('source');
  expect(results).toEqual([0, 1]);
  expect(returned).toBe(false); // as a for loop does: a source that failed is not closed
});

test('a source that ends is not closed again', async () => {
  let returned = false;
  const iterator = { next: () => ({ done: true as const, value: undefined }), return: () => (returned = true) };
  await all(mapInOrder({ [Symbol.iterator]: () => iterator } as unknown as Iterable<number>, 2, async (item) => item));
  expect(returned).toBe(false);
});

test('aborting rejects at once with the reason, though neither source nor work listens', async () => {
  const reason = new Error('enough');
  const never = new Promise<never>(() => {});
  async function* silent() {
    yield await never;
  }
  for (const [source, work] of [
    [silent(), async () => 1],
    [[1, 2], () => never],
  ] as const) {
    const controller = new AbortController();
    const results = mapInOrder(source as AsyncIterable<number>, 3, work, controller.signal);
    const next = results.next();
    setTimeout(() => controller.abort(reason), 2);
    await expect(Promise.race([next, sleep(1000)])).rejects.toBe(reason);
  }
});

test('a signal that is aborted already leaves the source unread', async () => {
  const source = counted(3);
  await expect(all(mapInOrder(source.sync(), 2, async (item) => item, AbortSignal.abort('no')))).rejects.toBe('no');
  expect(source.state.read).toBe(0);
});

test('no listener stays on the signal of a stream', async () => {
  const { signal } = new AbortController();
  await all(mapInOrder(counted(50).async(), 3, async (item) => sleep(0, item), signal));
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test.each([undefined, null, 7, 'cat.jpg', {}])('%o is no source', async (source) => {
  const results = all(mapInOrder(source as unknown as number[], 3, async (item) => item));
  expect((await rejection('INVALID_ARGUMENT', results)).message).toContain('iterable');
});
