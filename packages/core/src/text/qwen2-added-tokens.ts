/**
 * Tokens that are found in the text before it is split: the longest at the leftmost place, as the reference's
 * Aho-Corasick search finds them, with its `single_word`, `lstrip` and `rstrip`.
 */

import { classTable, SPACE } from './qwen2-unicode.js';

export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  normalized: boolean; // looked for in the normalised text, itself normalised
  singleWord: boolean; // only where no word goes on before or after it
  lstrip: boolean; // takes the white space before it along
  rstrip: boolean;
}

const WORD_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]$/u;
const WORD_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]/u;

export class AddedTokenFinder {
  readonly #pattern: RegExp | undefined;
  readonly #tokens = new Map<string, AddedToken>();

  constructor(tokens: AddedToken[]) {
    for (const token of tokens) this.#tokens.set(token.content, token);
    const longestFirst = [...this.#tokens.keys()].sort((a, b) => b.length - a.length);
    if (longestFirst.length > 0) this.#pattern = new RegExp(longestFirst.map(escaped).join('|'), 'g');
  }

  /** The text in order: ids of the tokens found, and what lies between them. */
  split(text: string): (string | number)[] {
    if (this.#pattern === undefined) return [text];
    const parts: (string | number)[] = [];
    let done = 0;
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#tokens.get(match[0])!;
      let start = match.index;
      let end = start + match[0].length;
      if (token.singleWord && isInsideWord(text, start, end)) continue;
      if (token.lstrip) while (start > done && isSpace(text, start - 1)) start--;
      if (token.rstrip) while (end < text.length && isSpace(text, end)) end++;
      if (start > done) parts.push(text.slice(done, start));
      parts.push(token.id);
      done = end;
    }
    if (done < text.length) parts.push(done === 0 ? text : text.slice(done));
    return parts;
  }
}

function isInsideWord(text: string, start: number, end: number): boolean {
  return WORD_END.test(text.slice(Math.max(0, start - 2), start)) || WORD_START.test(text.slice(end, end + 2));
}

function isSpace(text: string, at: number): boolean {
  return classTable()[text.charCodeAt(at)] === SPACE;
}

function escaped(content: string): string {
  return content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
