/** The loop behind `watch`: one frame at a time, always the newest, freed when the next one is asked for. */
import { raceSignal } from '../abort.js';
import type { FrameSource } from '../platform.js';

/** One turn of `watch`. */
export interface Watched<Frame, Results> {
  /** Owned by the library and valid until the next turn; copy what you want to keep. */
  frame: Frame;
  results: Results;
  /** From the frame in hand to its results, milliseconds. */
  ms: number;
  /** Turns per second over the last second; 0 on the first. */
  fps: number;
}

/** Span that `fps` is measured over, milliseconds. */
const RATE_SPAN = 1000;

/** @param everyMs least time from one frame to the next */
export async function* watchFrames<Frame, Results>(
  source: FrameSource,
  work: (frame: Frame) => Promise<Results>,
  signal: AbortSignal | undefined,
  everyMs = 0,
): AsyncGenerator<Watched<Frame, Results>, void, undefined> {
  const turns: number[] = []; // times of the turns within RATE_SPAN
  let frame: Frame | null = null;
  try {
    while (true) {
      frame = (await raceSignal(source.next(), signal)) as Frame | null;
      if (frame === null) return;
      const start = performance.now();
      const results = await work(frame);
      const now = performance.now();
      turns.push(now);
      while (now - turns[0]! > RATE_SPAN) turns.shift();
      const fps = turns.length > 1 ? ((turns.length - 1) * 1000) / (now - turns[0]!) : 0;
      yield { frame, results, ms: now - start, fps };
      freeFrame(frame);
      frame = null;
      const wait = start + everyMs - performance.now();
      if (wait > 0) await raceSignal(new Promise((resolve) => setTimeout(resolve, wait)), signal);
    }
  } finally {
    freeFrame(frame);
    source.close();
  }
}

/**
 * The newest item of any async iterable. It is read as fast as it delivers; items that nobody takes in time are
 * dropped. Its own failure is thrown by `next`.
 */
export function newestFrames(items: AsyncIterable<unknown>): FrameSource {
  const iterator = items[Symbol.asyncIterator]();
  let newest: { frame: unknown } | null = null;
  let ended = false;
  let failure: { error: unknown } | null = null;
  let wake = () => {};

  const read = async () => {
    try {
      while (!ended) {
        const { done, value } = await iterator.next();
        if (done) break;
        if (newest !== null || ended) freeFrame((newest ?? { frame: value }).frame);
        newest = ended ? null : { frame: value };
        wake();
        // a source that always has a next item must leave time for others
        await new Promise((resolve) => setTimeout(resolve));
      }
    } catch (error) {
      failure = { error };
    }
    ended = true;
    wake();
  };
  read();

  return {
    async next() {
      while (newest === null && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (newest === null && failure !== null) throw failure.error;
      const taken = newest;
      newest = null;
      return taken === null ? null : taken.frame;
    },
    close() {
      if (!ended) void Promise.resolve(iterator.return?.()).catch(() => {});
      ended = true;
      freeFrame(newest?.frame);
      newest = null;
      wake();
    },
  };
}

function freeFrame(frame: unknown): void {
  (frame as { close?: () => void } | null | undefined)?.close?.();
}
