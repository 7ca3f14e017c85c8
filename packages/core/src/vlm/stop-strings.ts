/** Ends a text where one of several strings begins. Text that may yet become such a string is held back. */
export class StopStrings {
  readonly #strings: readonly string[];
  #held = '';
  /** True once a string was found. Nothing comes out after that. */
  found = false;

  /** @param strings none of them empty */
  constructor(strings: readonly string[]) {
    this.#strings = strings;
  }

  /** What of the text so far is settled and was not given out yet. */
  push(delta: string): string {
    if (this.found) return '';
    const text = this.#held + delta;
    const ends = this.#strings.map((string) => text.indexOf(string)).filter((index) => index >= 0);
    if (ends.length > 0) {
      this.found = true;
      this.#held = '';
      return text.slice(0, Math.min(...ends));
    }
    const kept = this.#undecided(text);
    this.#held = text.slice(text.length - kept);
    return text.slice(0, text.length - kept);
  }

  /** What was held back, at the end of the text. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Length of the longest end of `text` that a string begins with. */
  #undecided(text: string): number {
    let longest = 0;
    for (const string of this.#strings) {
      for (let length = Math.min(string.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(string.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
