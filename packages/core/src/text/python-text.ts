/**
 * The parts of Python's text model that JavaScript's differs from: which characters are white space, letters and numbers
 * (for the `regex` module's `\p{L}`, `\p{N}`), `str.lower()` and NFC. Engines ship different Unicode versions, so what
 * they disagree on is pinned: letters and numbers follow the `regex` module named in unicode-additions.ts, while casing
 * and normalisation follow Unicode 14 (Python 3.11), for which every later character is one that never changes. Later
 * Pythons case and compose a few rare scripts more (Garay, Todhri, Kirat Rai, …). Two traces of the engine's version are
 * left: characters newer than that table, and capital sigma before U+0295 or U+1171E inside a word, whose general
 * category changed.
 */

import { UNICODE_ADDITIONS } from './unicode-additions.js';

export const SPACE = 1;
export const LETTER = 2;
export const NUMBER = 3;
export const OTHER = 4;

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python takes U+001C-U+001F for white space
const PYTHON_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
// U+0345 folds to the letter iota, so that `[^\s\p{L}\p{N}]` ignoring case rejects it, and it is no \p{L}: it vanishes
const COMBINING_YPOGEGRAMMENI = 0x345;
const TABLE_SIZE = 0x20000; // planes 0 and 1; what lies above is nearly all ideographs and asked for one by one

const classes = new Uint8Array(TABLE_SIZE); // code point -> class, 0 while unknown
let additions: RegExp | undefined;

/** `SPACE` (splits, never part of a token), `LETTER`, `NUMBER` or `OTHER`. */
export function classOf(codePoint: number): number {
  if (codePoint >= TABLE_SIZE) return classify(codePoint);
  if (classes[codePoint] === 0) classes[codePoint] = classify(codePoint);
  return classes[codePoint];
}

function classify(codePoint: number): number {
  const char = String.fromCodePoint(codePoint);
  if ((additions ?? loadAdditions()).test(char)) return codePoint < TABLE_SIZE ? classes[codePoint] : LETTER;
  if (codePoint === COMBINING_YPOGEGRAMMENI || PYTHON_SPACE.test(char)) return SPACE;
  if (/\p{L}/u.test(char)) return LETTER;
  return /\p{N}/u.test(char) ? NUMBER : OTHER;
}

/** Fills the classes of the characters newer than Unicode 14 and returns a pattern of them. */
function loadAdditions(): RegExp {
  let pattern = '';
  for (const [, start, extra, kind] of UNICODE_ADDITIONS.matchAll(/(\w+)\+(\w+)([LNO])/g)) {
    const first = Number.parseInt(start, 36);
    const last = first + Number.parseInt(extra, 36);
    if (first < TABLE_SIZE) classes.fill(kind === 'L' ? LETTER : kind === 'N' ? NUMBER : OTHER, first, last + 1);
    pattern += `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`;
  }
  additions = new RegExp(`([${pattern}]+)`, 'u');
  return additions;
}

/** `text.lower()`. */
export function pythonLower(text: string): string {
  return mapBetweenAdditions(text, (part) => part.toLowerCase());
}

/** `unicodedata.normalize('NFC', text)`. */
export function pythonNfc(text: string): string {
  return mapBetweenAdditions(text, (part) => part.normalize('NFC'));
}

/**
 * An unassigned character is uncased, composes with nothing and ends a run of marks, so that the text on either side
 * of it can be mapped on its own.
 */
function mapBetweenAdditions(text: string, map: (part: string) => string): string {
  const pattern = additions ?? loadAdditions();
  if (!pattern.test(text)) return map(text);
  return text
    .split(pattern) // odd parts are the runs of additions
    .map((part, index) => (index % 2 === 0 ? map(part) : part))
    .join('');
}
