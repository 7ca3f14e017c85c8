/**
 * A fixed number of reusable slots: at most that many holders at once, first come first served. It bounds the memory
 * of concurrent calls (each slot owns its buffers) and serialises what must not overlap (one slot).
 */
export class Slots<T> {
  readonly #free: T[];
  readonly #waiting: ((slot: T) => void)[] = [];

  constructor(slots: T[]) {
    this.#free = slots;
  }

  async use<R>(work: (slot: T) => Promise<R>): Promise<R> {
    const slot =
      this.#free.length > 0 ? this.#free.pop()! : await new Promise<T>((resolve) => this.#waiting.push(resolve));
    try {
      return await work(slot);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(slot);
      else next(slot);
    }
  }
}
