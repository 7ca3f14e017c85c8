/**
 * `html.unescape` of Python's standard library: HTML5 character references, also without semicolon where the standard
 * allows it, by longest prefix, with its tables of invalid code points. Leaves out nothing but Python's limit of 4,300
 * digits, beyond which it throws and this yields U+FFFD.
 */

import { HTML_ENTITIES } from './html-entities.js';

/** What Windows-1252 makes of bytes 0x80-0x9F; the five bytes it leaves unassigned stay C1 controls. */
export const WINDOWS_1252_C1 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

// [^…]{1,32} counts code points, hence the u flag
const REFERENCE = /&(?:#([0-9]+);?|#[xX]([0-9a-fA-F]+);?|([^\t\n\f <&#;]{1,32};?))/gu;
const LONGEST_NAME = 32;

let entities: Map<string, string> | undefined; // name with its semicolon, or without where allowed -> characters

export function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(REFERENCE, (_match, decimal?: string, hexadecimal?: string, name?: string) => {
    if (name !== undefined) return unescapeName(name);
    return fromNumber(decimal === undefined ? Number.parseInt(hexadecimal!, 16) : Number.parseInt(decimal, 10));
  });
}

/** The characters of `name` (`amp;`, `amp`), or undefined when HTML5 has no such reference. */
export function namedEntity(name: string): string | undefined {
  entities ??= parseEntities();
  return entities.get(name);
}

function unescapeName(name: string): string {
  const exact = namedEntity(name);
  if (exact !== undefined) return exact;
  for (let length = Math.min(name.length - 1, LONGEST_NAME); length > 1; length--) {
    const characters = namedEntity(name.slice(0, length));
    if (characters !== undefined) return characters + name.slice(length);
  }
  return `&${name}`;
}

function fromNumber(code: number): string {
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd';
  if (code >= 0x80 && code <= 0x9f) return WINDOWS_1252_C1[code - 0x80];
  return isDropped(code) ? '' : String.fromCodePoint(code);
}

/** Controls but for tab, line feed, form feed and carriage return; non-characters. */
function isDropped(code: number): boolean {
  if (code < 0x20) return code !== 0x9 && code !== 0xa && code !== 0xc && code !== 0xd;
  return code === 0x7f || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
}

function parseEntities(): Map<string, string> {
  const parsed = new Map<string, string>();
  for (const entry of HTML_ENTITIES.split(' ')) {
    const [, name, sign, codes] = /^(\w+)([=!])(.+)$/.exec(entry)!;
    const characters = String.fromCodePoint(...codes.split('+').map((code) => Number.parseInt(code, 16)));
    parsed.set(`${name};`, characters);
    if (sign === '!') parsed.set(name, characters);
  }
  return parsed;
}
