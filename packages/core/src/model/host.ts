/** What computes for a model, and that it starts anew when its worker stops or its device is lost. */
import { MclipError } from '../errors.js';

/** The computing half of a model. */
export interface Computing {
  /** Why its worker stopped; null while it works. */
  readonly stopped: MclipError | null;
  dispose(): Promise<void>;
  /** Ends it whatever is under way. */
  abandon(): Promise<void>;
}

/** A run that failed with its device, and what had been computed for it: the call can be repeated without its input. */
export class LostRun extends MclipError {
  readonly kept: Float32Array;

  constructor(why: string, kept: Float32Array) {
    super('DEVICE_LOST', why);
    this.kept = kept;
  }
}

export type Work<E, T> = (engine: E, before: MclipError | null) => Promise<T>;

export interface Restart<E> {
  failed: E;
  error: MclipError;
  /** The device had its second chance: the next one is to be used. */
  demote: boolean;
}

export class Host<E extends Computing> {
  /** Starts another engine and brings it to where the failed one was. */
  readonly restart: (restart: Restart<E>) => Promise<E>;
  engine: Promise<E>;
  /** Restarts since something went well. */
  restarts = 0;
  /** Why there is no engine since the last restart failed; null: there is one. */
  broken: MclipError | null = null;
  /** By the engine that failed. */
  readonly replacements = new WeakMap<E, Promise<E>>();
  /** Calls of the present engine. */
  readonly underWay = new Set<Promise<unknown>>();

  constructor(engine: Promise<E>, restart: (restart: Restart<E>) => Promise<E>) {
    this.engine = engine;
    this.restart = restart;
    engine.catch(() => {}); // reported by whoever uses it
  }

  /**
   * @param work may be called again, then with the error that ended the call before
   * @param repeatable whether it may be then; a `LostRun` always may
   */
  async run<T>(work: Work<E, T>, repeatable: () => boolean = () => true): Promise<T> {
    let engine = await this.engine;
    const error = engine.stopped ?? this.broken;
    if (error !== null) {
      const again = await import('./run-again.js');
      engine = await again.replaced(this, { failed: engine, error, demote: false });
    }
    try {
      return await this.attempt(engine, work, null);
    } catch (error) {
      if (!isFailure(engine, error)) throw error;
      const again = await import('./run-again.js');
      return again.runAgain(this, engine, work, error, repeatable);
    }
  }

  async attempt<T>(engine: E, work: Work<E, T>, before: MclipError | null): Promise<T> {
    const call = work(engine, before);
    this.underWay.add(call);
    try {
      const result = await call;
      this.restarts = 0;
      return result;
    } finally {
      this.underWay.delete(call);
    }
  }
}

/** Not the call's fault, but that of what computed it. */
export const isFailure = (engine: Computing, error: unknown): error is MclipError =>
  error === engine.stopped || (MclipError.isInstance(error) && error.code === 'DEVICE_LOST');

/** What is read from where it lies gives the same picture again; pixels in the caller's hands may have changed. */
export function canBeReadAgain(image: unknown): boolean {
  const source = (image as { image?: unknown } | null)?.image ?? image;
  return typeof source === 'string' || source instanceof URL || source instanceof Blob;
}
