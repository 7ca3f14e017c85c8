/**
 * The spellings of all tokens in one array, outside of the heap. As 150,000 strings and an object to find them by, they
 * would take 20 MB of it and be visited by every collection, of which decoding causes many. V8 begins to mark a heap
 * again and again while external memory comes and goes once it has 8 MB: as a single string they would still be a
 * quarter of that.
 */
export class Qwen2Tokens {
  /** UTF-16 */
  readonly #text: Uint16Array;
  readonly #ends: Uint32Array; // of id's spelling; ids without a token have an empty one

  /** @param tokens by id, in the byte alphabet; may have holes */
  constructor(tokens: readonly (string | undefined)[]) {
    this.#ends = new Uint32Array(tokens.length);
    let end = 0;
    for (let id = 0; id < tokens.length; id++) {
      end += tokens[id]?.length ?? 0;
      this.#ends[id] = end;
    }
    this.#text = new Uint16Array(end);
    tokens.forEach((token = '', id) => {
      for (let i = 0, at = this.#start(id); i < token.length; i++) this.#text[at + i] = token.charCodeAt(i);
    });
  }

  /** Its spelling; empty when the id has none. */
  at(id: number): string {
    return id < this.#ends.length ? String.fromCharCode(...this.#text.subarray(this.#start(id), this.#ends[id])) : '';
  }

  /** Reads the whole text: for the few tokens that are asked for by name. */
  idOf(token: string): number | undefined {
    if (token === '') return undefined;
    const first = token.charCodeAt(0);
    for (let at = this.#text.indexOf(first); at !== -1; at = this.#text.indexOf(first, at + 1)) {
      const id = this.#firstEndAfter(at);
      if (this.#start(id) === at && this.#ends[id] - at === token.length && this.at(id) === token) return id;
    }
    return undefined;
  }

  #start(id: number): number {
    return id === 0 ? 0 : this.#ends[id - 1];
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
