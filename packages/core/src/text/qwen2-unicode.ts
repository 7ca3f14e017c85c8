/**
 * Characters as Hugging Face `tokenizers` sees them, whatever Unicode version the JavaScript engine has: `\p{L}`, `\p{N}`
 * and `\s` are Oniguruma's (so U+0085 is white space and U+FEFF is not), and NFC is that of the reference's old tables.
 * Left out: marks and compositions newer than the versions named in qwen2-unicode-tables.ts, which follow the engine.
 */

import { INERT_IN_NFC, LETTERS, NUMBERS } from './qwen2-unicode-tables.js';

export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;

type Range = readonly [first: number, last: number];

const SPACES: Range[] = [
  [0x9, 0xd],
  [0x20, 0x20],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
];
const TABLE_SIZE = 0x20000; // planes 0 and 1; above there are only ranges of ideographs, looked up one by one

let classes: Uint8Array | undefined; // code point -> class
let ideographs: Range[] = [];
let inert: RegExp | undefined;

/** Code point -> class, for code points below `TABLE_SIZE`; `highClassOf` knows the others. */
export function classTable(): Uint8Array {
  if (classes !== undefined) return classes;
  const table = new Uint8Array(TABLE_SIZE); // the fill is cut off at the end
  const letters = unpackRanges(LETTERS);
  for (const [first, last] of letters) table.fill(LETTER, first, last + 1);
  for (const [first, last] of unpackRanges(NUMBERS)) table.fill(NUMBER, first, last + 1);
  for (const [first, last] of SPACES) table.fill(SPACE, first, last + 1);
  ideographs = letters.filter(([, last]) => last >= TABLE_SIZE);
  classes = table;
  return table;
}

/** Class of a code point from `TABLE_SIZE` on. */
export function highClassOf(codePoint: number): number {
  return ideographs.some(([first, last]) => codePoint >= first && codePoint <= last) ? LETTER : OTHER;
}

/** The reference's NFC. A character that it does not know stays as it is and ends a run of marks. */
export function referenceNfc(text: string): string {
  if (!/[\u0300-\uffff]/.test(text)) return text; // nothing below changes, and halves of pairs lie above
  inert ??= inertPattern();
  if (!inert.test(text)) return text.normalize('NFC');
  return text
    .split(inert) // odd parts are the runs of inert characters
    .map((part, index) => (index % 2 === 0 ? part.normalize('NFC') : part))
    .join('');
}

function inertPattern(): RegExp {
  const escaped = (code: number): string => `\\u{${code.toString(16)}}`;
  const ranges = unpackRanges(INERT_IN_NFC).map(([first, last]) => `${escaped(first)}-${escaped(last)}`);
  return new RegExp(`([${ranges.join('')}]+)`, 'u');
}

function unpackRanges(packed: string): Range[] {
  const numbers = packed.split(' ').map((digits) => Number.parseInt(digits, 36));
  const ranges: Range[] = [];
  let end = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const first = end + numbers[i];
    end = first + numbers[i + 1];
    ranges.push([first, end]);
  }
  return ranges;
}
