import { raceSignal } from '../abort.js';
import { MclipError } from '../errors.js';

/**
 * What of an answer was said already. When the device is lost meanwhile the answer is computed again from its beginning,
 * and said from where it was broken off; it is not another one as long as it begins the same.
 */
export class Spoken {
  readonly #onText: (delta: string) => void;
  #text = '';

  constructor(onText: (delta: string) => void) {
    this.#onText = onText;
  }

  /** The answer, or null for one that does not begin as the one that was broken off. */
  async tell<A extends { text: string }>(
    signal: AbortSignal,
    answer: (onText: (delta: string) => void, signal: AbortSignal) => Promise<A>,
  ): Promise<A | null> {
    const differs = new AbortController();
    const until = AbortSignal.any([signal, differs.signal]);
    let text = '';
    const onText = (delta: string) => {
      text += delta;
      if (text.startsWith(this.#text)) {
        const said = this.#text.length;
        this.#text = text;
        if (text.length > said) this.#onText(text.slice(said));
      } else if (!this.#text.startsWith(text)) {
        differs.abort();
      }
    };
    try {
      const answered = await raceSignal(answer(onText, until), until);
      return answered.text.startsWith(this.#text) ? answered : null;
    } catch (error) {
      if (differs.signal.aborted && !signal.aborted) return null;
      throw error;
    }
  }
}

/** @throws {MclipError} `DEVICE_LOST` for null */
export function told<A>(answer: A | null): A {
  if (answer !== null) return answer;
  throw new MclipError(
    'DEVICE_LOST',
    'The device was lost in the middle of this answer, and computed again it begins otherwise than what was said already. Ask again.',
  );
}
