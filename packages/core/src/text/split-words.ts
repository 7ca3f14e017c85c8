/**
 * Cuts cleaned text into the pieces that are encoded one by one: CLIP's pattern
 * `<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`, case ignored, by hand,
 * since a regular expression would build a string per word. Capitals may still be there if they are ASCII.
 */

import { classOf, NUMBER, SPACE } from './python-text.js';

const APOSTROPHE = 0x27;
const LESS_THAN = 0x3c;
const LONG_S = 0x17f; // ſ folds to s; no other character outside ASCII folds to a letter of the pattern

// sticky: matched at lastIndex or not at all
const SPECIAL = /<(?:[sſ]tart|end)_of_text>/iy;

/** Index of the next character that is part of a piece, or the length of `text`. */
export function pieceStart(text: string, from: number): number {
  let at = from;
  while (at < text.length && classAt(text, at) === SPACE) at++; // every space is a single code unit
  return at;
}

/** Index after the piece that starts at `start`. */
export function pieceEnd(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === LESS_THAN) {
    SPECIAL.lastIndex = start;
    if (SPECIAL.test(text)) return SPECIAL.lastIndex;
  } else if (first === APOSTROPHE) {
    const length = contractionLength(text, start + 1);
    if (length > 0) return start + 1 + length;
  }
  const kind = classAt(text, start);
  let at = start + unitsAt(text, start);
  if (kind === NUMBER) return at;
  while (at < text.length && classAt(text, at) === kind) at += unitsAt(text, at);
  return at;
}

/** Letters of `s`, `t`, `m`, `d`, `re`, `ve` or `ll` at `at`, else 0. */
function contractionLength(text: string, at: number): number {
  const first = foldAt(text, at);
  if (first === 's' || first === 't' || first === 'm' || first === 'd') return 1;
  const second = foldAt(text, at + 1);
  return (second === 'e' && (first === 'r' || first === 'v')) || (second === 'l' && first === 'l') ? 2 : 0;
}

function foldAt(text: string, at: number): string {
  return text.charCodeAt(at) === LONG_S ? 's' : text.charAt(at).toLowerCase();
}

function classAt(text: string, at: number): number {
  return classOf(text.codePointAt(at)!);
}

function unitsAt(text: string, at: number): number {
  return text.codePointAt(at)! > 0xffff ? 2 : 1;
}
