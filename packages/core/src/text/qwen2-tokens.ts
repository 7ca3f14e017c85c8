/**
 * The spellings of all tokens in one string. As 150,000 strings and an object to find them by, they would take 20 MB of
 * the engine's heap and be visited by every collection, of which decoding with a large cache causes many.
 */
export class Qwen2Tokens {
  readonly #text: string;
  readonly #ends: Uint32Array; // of id's spelling; ids without a token have an empty one

  /** @param tokens by id, in the byte alphabet; may have holes */
  constructor(tokens: readonly (string | undefined)[]) {
    this.#ends = new Uint32Array(tokens.length);
    let end = 0;
    for (let id = 0; id < tokens.length; id++) {
      end += tokens[id]?.length ?? 0;
      this.#ends[id] = end;
    }
    this.#text = Array.from(tokens, (token) => token ?? '').join('');
  }

  /** Its spelling; empty when the id has none. */
  at(id: number): string {
    return id < this.#ends.length ? this.#text.slice(id === 0 ? 0 : this.#ends[id - 1], this.#ends[id]) : '';
  }

  /** Reads the whole text: for the few tokens that are asked for by name. */
  idOf(token: string): number | undefined {
    if (token === '') return undefined;
    for (let at = this.#text.indexOf(token); at !== -1; at = this.#text.indexOf(token, at + 1)) {
      const id = this.#firstEndAfter(at);
      if (this.at(id) === token && this.#ends[id] === at + token.length) return id;
    }
    return undefined;
  }

  #firstEndAfter(at: number): number {
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle] > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
