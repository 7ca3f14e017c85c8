/**
 * Cuts text into the pieces that Qwen2 encodes one by one, by hand, since a regular expression would build a string per
 * piece, and engines differ in `\s`, in `\p{…}` and in knowing `(?i:…)`. Each branch below is one alternative of
 * `QWEN2_PATTERN`, in its order. Offsets are of UTF-16 units; half a surrogate pair is like any symbol.
 */

import { classTable, highClassOf, LETTER, NUMBER, OTHER, SPACE } from './qwen2-unicode.js';

/** The only pattern understood; Qwen2, Qwen2.5 and Qwen3 have it. */
export const QWEN2_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BLANK = 0x20;
const APOSTROPHE = 0x27;
const LONG_S = 0x17f; // ſ folds to s; no other character outside ASCII folds to a letter of the contractions

/** Index after the piece that starts at `start`, which lies before the end of `text`. */
export function qwen2PieceEnd(text: string, start: number): number {
  const table = classTable();
  const first = text.codePointAt(start)!;
  if (first === APOSTROPHE) {
    const letters = contractionLength(text, start + 1);
    if (letters > 0) return start + 1 + letters;
  }
  const kind = classOf(table, first);
  const next = start + (first > 0xffff ? 2 : 1);
  if (kind === LETTER) return runEnd(text, next, LETTER, table);
  if (kind === NUMBER) return next;
  const nextKind = next < text.length ? classOf(table, text.codePointAt(next)!) : SPACE;
  if (nextKind === LETTER && !isNewline(first)) return runEnd(text, next, LETTER, table);
  if (kind === OTHER || (first === BLANK && nextKind === OTHER)) {
    let end = runEnd(text, next, OTHER, table);
    while (end < text.length && isNewline(text.charCodeAt(end))) end++;
    return end;
  }
  return spacesEnd(text, start, table);
}

/** Up to the last newline in the run; else all but its last space, which belongs to what follows; else one space. */
function spacesEnd(text: string, start: number, table: Uint8Array): number {
  const end = runEnd(text, start, SPACE, table);
  for (let i = end; i > start; i--) if (isNewline(text.charCodeAt(i - 1))) return i;
  return end === text.length || end === start + 1 ? end : end - 1; // every space is a single unit
}

function runEnd(text: string, from: number, kind: number, table: Uint8Array): number {
  const length = text.length;
  let at = from;
  while (at < length) {
    const unit = text.charCodeAt(at);
    if (unit < 0xd800 || unit > 0xdbff) {
      if (table[unit] !== kind) return at;
      at++;
    } else {
      const codePoint = text.codePointAt(at)!;
      if (classOf(table, codePoint) !== kind) return at;
      at += codePoint > 0xffff ? 2 : 1;
    }
  }
  return at;
}

function classOf(table: Uint8Array, codePoint: number): number {
  return codePoint < table.length ? table[codePoint] : highClassOf(codePoint);
}

/** Letters of `s`, `t`, `m`, `d`, `re`, `ve` or `ll` at `at`, case ignored, else 0. */
function contractionLength(text: string, at: number): number {
  const first = foldAt(text, at);
  if (first === 's' || first === 't' || first === 'm' || first === 'd') return 1;
  const second = foldAt(text, at + 1);
  return (second === 'e' && (first === 'r' || first === 'v')) || (second === 'l' && first === 'l') ? 2 : 0;
}

function foldAt(text: string, at: number): string {
  return text.charCodeAt(at) === LONG_S ? 's' : text.charAt(at).toLowerCase();
}

function isNewline(code: number): boolean {
  return code === LINE_FEED || code === CARRIAGE_RETURN;
}
