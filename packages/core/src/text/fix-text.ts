/**
 * `ftfy.fix_text` (ftfy 6.3) with its default options and without mojibake repair (`fix_encoding`): HTML entities,
 * terminal escapes, C1 controls, Latin ligatures, character width, curly quotes, line breaks, surrogates, control
 * characters, NFC, repeated until nothing changes. Mojibake repair is left out on purpose: text reaching a browser
 * has been decoded already, and its tables would outweigh the tokenizer. Runs of line breaks may differ in length from
 * ftfy's, which no token sees.
 */

import { namedEntity, unescapeHtml, WINDOWS_1252_C1 } from './html-unescape.js';
import { pythonNfc } from './python-text.js';

const MAX_SEGMENT = 1_000_000; // code points (ftfy's max_decode_length)
const ENTITY = /&#?[0-9A-Za-z]{1,24};/g;
const LONGEST_ENTITY = 27; // characters from & to ;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const TERMINAL_ESCAPE = /\x1b\[[\p{Nd};]*[a-zA-Z]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const CONTROL = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
// C1 controls, ligatures, full and half width, curly quotes, line breaks, lone surrogates (the u flag keeps pairs whole)
const REPLACED =
  /[\r\x80-\x9f\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\u02bc\u2018-\u201f\u2028\u2029\u3000\ud800-\udfff\ufb00-\ufb06\uff01-\uffef]/gu;

export function fixText(text: string): string {
  let fixed = '';
  let decodeEntities = true;
  for (let start = 0; start < text.length; ) {
    const end = segmentEnd(text, start);
    const segment = text.slice(start, end);
    // a literal < marks real HTML, in which entities stay, from this line to the end of the text
    decodeEntities &&= !segment.includes('<');
    fixed += fixSegment(segment, decodeEntities);
    start = end;
  }
  return fixed;
}

/** After the next line feed, or after `MAX_SEGMENT` code points. */
function segmentEnd(text: string, start: number): number {
  const end = text.indexOf('\n', start) + 1 || text.length;
  if (end - start <= MAX_SEGMENT) return end;
  let position = start;
  for (let count = 0; count < MAX_SEGMENT && position < end; count++) {
    position += text.codePointAt(position)! > 0xffff ? 2 : 1;
  }
  return position;
}

function fixSegment(segment: string, decodeEntities: boolean): string {
  let text = fixOnce(decodeEntities ? segment.replace(ENTITY, fixEntity) : segment);
  if (text === segment) return text;
  for (;;) {
    // terminal escapes and surrogates are gone: from here on the order of single fixes makes no difference
    const next = fixOnce(decodeEntities ? unescapeNested(text) : text);
    if (next === text) return text;
    text = next;
  }
}

function fixOnce(text: string): string {
  let fixed = text.replace(REPLACED, fixCharacter);
  if (fixed.includes('\x1b')) fixed = fixed.replace(TERMINAL_ESCAPE, '');
  return pythonNfc(fixed.replace(CONTROL, ''));
}

function fixCharacter(char: string): string {
  const code = char.charCodeAt(0);
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd';
  if (code >= 0x80 && code <= 0x9f) return uncurl(WINDOWS_1252_C1[code - 0x80]);
  if (code === 0xd || code === 0x2028 || code === 0x2029) return '\n';
  if (code === 0xfb05) return 'ſt'; // NFKC would make it st
  return uncurl(code >= 0x2018 && code <= 0x201f ? char : char.normalize('NFKC'));
}

function uncurl(text: string): string {
  return text.replace(/[\u02bc\u2018-\u201b]/, "'").replace(/[\u201c-\u201f]/, '"');
}

/** `&name;` or `&#number;` as characters; returned as it is when unknown or not decoded to the end. */
function fixEntity(entity: string): string {
  if (entity[1] === '#') {
    const characters = unescapeHtml(entity);
    return characters.includes(';') ? entity : characters;
  }
  const name = entity.slice(1);
  return namedEntity(name) ?? shoutedEntity(name) ?? entity;
}

/** `&EACUTE;` is É, if `eacute;` exists and HTML reads nothing else into the capitals. */
function shoutedEntity(name: string): string | undefined {
  const lower = name.toLowerCase();
  if (name !== lower.toUpperCase()) return undefined;
  const characters = namedEntity(lower);
  return characters !== undefined && unescapeHtml(`&${name}`) === `&${name}` ? characters.toUpperCase() : undefined;
}

/**
 * What `ENTITY` replaced again and again comes to, in one pass: `&amp;amp;amp;` is as deep as its text is long, and a
 * pass per level would take quadratic time. What an entity stands for is read again as input.
 */
function unescapeNested(text: string): string {
  if (!text.includes('&') || !text.includes(';')) return text;
  const written: string[] = [];
  const openings: number[] = []; // positions of & in `written`
  const unread: string[] = []; // last first
  for (const char of text) {
    unread.push(char);
    for (let next = unread.pop(); next !== undefined; next = unread.pop()) {
      if (next === '&') openings.push(written.length);
      written.push(next);
      const opening = next === ';' ? openings.pop() : undefined;
      if (opening === undefined || written.length - opening > LONGEST_ENTITY) continue;
      const entity = written.slice(opening).join('');
      const fixed = entity.replace(ENTITY, fixEntity);
      if (fixed === entity) continue;
      written.length = opening;
      unread.push(...[...fixOnce(fixed)].reverse());
    }
  }
  return written.join('');
}
