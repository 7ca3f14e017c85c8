/** The cleaning steps by hand; that they match ftfy and Python on thousands of strings is clip-tokenizer.test.ts. */
import { describe, expect, test } from 'vitest';
import { fixText } from '../../src/text/fix-text.js';
import { unescapeHtml } from '../../src/text/html-unescape.js';
import { classOf, LETTER, NUMBER, OTHER, pythonLower, pythonNfc, SPACE } from '../../src/text/python-text.js';
import { pieceEnd, pieceStart } from '../../src/text/split-words.js';

describe('fixText', () => {
  test.each([
    ['Broken text&hellip; it&#x2019;s ﬂubberiﬁc!', "Broken text… it's flubberific!"],
    ['ＬＯＵＤ　ＮＯＩＳＥＳ', 'LOUD NOISES'],
    ['Ｕﾀｰﾝ ｶﾞ', 'Uターン ガ'],
    ['\u201chere\u2019s a test\u201d', '"here\'s a test"'],
    ["\x1b[36;44mI'm blue\x1b[0m", "I'm blue"],
    ['P&EACUTE;REZ &NTILDE; &nTILDE; BUNDESSTRA&SZLIG;E', 'PÉREZ Ñ &nTILDE; BUNDESSTRASSE'],
    ['this&not that &amp that', 'this&not that &amp that'],
    ['a <b> &amp; c', 'a <b> &amp; c'],
    ['&amp;\n<b>\n&amp;', '&\n<b>\n&amp;'],
    ['&amp;amp;amp;lt;', '<'],
    ['&#59; &#12ab;', '&#59; &#12ab;'],
    ['\x1b[&#49;mx', 'x'],
    ['\x1b[&amp;#49;mx', '[1mx'],
    ['\ud83d \ude00 😀', '\ufffd \ufffd 😀'],
    ['a\0\x07\ufeff\u206ab', 'ab'],
    ['\x80 \x91\x92', "€ ''"],
    ['ŉ ﬅ', "'n ſt"],
    ['e\u0301', 'é'],
  ])('%j is %j', (text, fixed) => {
    expect(fixText(text)).toBe(fixed);
  });
});

describe('unescapeHtml', () => {
  test.each([
    ['&lt;&LT&ltx', '<<<x'],
    ['&notit; &notin;', '¬it; ∉'],
    ['&#x80;&#0;&#xD800;&#1114112;&#xfffe;&#1;', '€\ufffd\ufffd\ufffd'],
    ['&#65&#x42;&#X43z', 'ABCz'],
    ['&nosuch; & &;', '&nosuch; & &;'],
    ['&amp;amp;', '&amp;'],
  ])('%j is %j', (text, unescaped) => {
    expect(unescapeHtml(text)).toBe(unescaped);
  });
});

describe('Python text', () => {
  test('lower case', () => {
    expect(pythonLower('ΟΔΟΣ İI ẞ')).toBe('οδος i̇i ß');
    expect(pythonLower('Σ\u1c89')).toBe('σ\u1c89'); // U+1C89 came with Unicode 16
  });

  test('NFC leaves characters newer than Unicode 14 alone', () => {
    expect(pythonNfc('e\u0301\u{105d2}\u0307')).toBe('é\u{105d2}\u0307');
  });

  test('classes', () => {
    const expected: [string, number][] = [
      ['\t\x0b\x1c\x1f\x85\xa0\u3000\u0345', SPACE],
      ['aZéªſ漢𠀀\u{323b0}\u{1e5d0}', LETTER],
      ['0٣²Ⅻ\u{1ccf0}', NUMBER],
      ['!_\u0301\ufeff\u180e\u200b😀', OTHER],
    ];
    for (const [characters, kind] of expected) {
      for (const char of characters) expect([char, classOf(char.codePointAt(0)!)]).toEqual([char, kind]);
    }
  });
});

test('pieces', () => {
  const pieces = (text: string) => {
    const found: string[] = [];
    for (let at = pieceStart(text, 0); at < text.length; ) {
      const end = pieceEnd(text, at);
      found.push(text.slice(at, end));
      at = pieceStart(text, end);
    }
    return found;
  };
  expect(pieces("we'll  it's 'ſ !'s don't")).toEqual(['we', "'ll", 'it', "'s", "'ſ", "!'", 's', 'don', "'t"]);
  expect(pieces('x12\u0345y—😀𝟙𝒜')).toEqual(['x', '1', '2', 'y', '—😀', '𝟙', '𝒜']);
  expect(pieces('<end_of_text>!<start_of_text>')).toEqual([
    '<end_of_text>',
    '!<',
    'start',
    '_',
    'of',
    '_',
    'text',
    '>',
  ]);
});
