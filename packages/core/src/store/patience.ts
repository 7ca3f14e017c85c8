/** How long to wait before the next try, and how long for the next byte. */
import { raceSignal } from '../abort.js';
import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import { TransientError } from './request.js';

const FIRST_PAUSE = 250; // ms
const LONGEST_PAUSE = 10_000;
/** A server that asks for more patience is answered with an error instead. */
const LONGEST_RETRY_AFTER = 60_000;
/** A try that got further than this counts as a success. */
const PROGRESS = 65_536; // bytes

/** Counts failures in a row. Tries are bounded: each either gets further or counts. */
export class Patience {
  readonly #retries: number;
  readonly #signal: AbortSignal | undefined;
  #failures = 0;

  constructor({ retries }: Pick<ResolvedSettings, 'retries'>, signal: AbortSignal | undefined) {
    this.#retries = retries;
    this.#signal = signal;
  }

  /**
   * Waits before the next try, with jitter, so that many clients do not come back at once.
   *
   * @throws the error itself when it is not worth another try
   */
  async wait(error: unknown, bytesGained: number): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!(error instanceof TransientError)) throw error;
    this.#failures = bytesGained > PROGRESS ? 1 : this.#failures + 1;
    const { retryAfterMs } = error;
    if (this.#failures > this.#retries) throw error;
    if (retryAfterMs !== null && retryAfterMs > LONGEST_RETRY_AFTER) {
      const seconds = Math.round(retryAfterMs / 1000);
      throw new MclipError('NETWORK', `${error.message} It asks to come back in ${seconds} seconds.`, { cause: error });
    }
    const backOff = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#failures - 1)) * (0.5 + Math.random() / 2);
    await pause(Math.max(backOff, retryAfterMs ?? 0), this.#signal);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const slept = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return raceSignal(slept, signal).finally(() => clearTimeout(timer));
}

/** Ends a request that gives nothing for too long. */
export class StallWatch {
  readonly #stop = new AbortController();
  readonly #ms: number;
  readonly #url: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** For the request. */
  readonly signal: AbortSignal;

  constructor(url: string, { stallTimeout }: Pick<ResolvedSettings, 'stallTimeout'>, signal: AbortSignal | undefined) {
    this.#ms = stallTimeout;
    this.#url = url;
    this.signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    this.restart();
  }

  /** Something came. */
  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#stop.abort(new TransientError(`${this.#url} gave nothing for ${this.#ms / 1000} seconds.`));
    }, this.#ms);
  }

  /** Ends the request too. */
  end(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }
}
