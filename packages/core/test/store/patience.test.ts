/** How long is waited before the next try. Timers and chance are the test's. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Patience } from '../../src/store/patience.js';
import { TransientError } from '../../src/store/request.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Milliseconds of each wait after so many failures in a row. */
async function pauses(failures: number, chance: number, retryAfterMs: number | null = null): Promise<number[]> {
  vi.spyOn(Math, 'random').mockReturnValue(chance);
  const patience = new Patience({ retries: failures }, undefined);
  const waited: number[] = [];
  for (let failure = 0; failure < failures; failure++) {
    const start = Date.now();
    const wait = patience.wait(new TransientError('broke', { retryAfterMs }), 0);
    await vi.runAllTimersAsync();
    await wait;
    waited.push(Date.now() - start);
  }
  return waited;
}

test('each pause is twice the one before, up to ten seconds', async () => {
  expect(await pauses(8, 1)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
});

test('chance takes up to half of a pause, so that many do not come back at once', async () => {
  expect(await pauses(3, 0)).toEqual([125, 250, 500]);
  expect(await pauses(3, 0.5)).toEqual([187, 375, 750]); // timers cut to whole milliseconds
});

test('what the server asks for is the least, whatever chance says', async () => {
  expect(await pauses(4, 0, 700)).toEqual([700, 700, 700, 1000]);
});

test('an abort ends the pause with its reason', async () => {
  const stop = new AbortController();
  const ended = expect(new Patience({ retries: 1 }, stop.signal).wait(new TransientError('broke'), 0)).rejects.toBe(
    'enough',
  );
  stop.abort('enough');
  await ended;
  expect(vi.getTimerCount()).toBe(0);
});
