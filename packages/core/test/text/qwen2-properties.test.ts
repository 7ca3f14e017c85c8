import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Qwen2Tokenizer } from '../../src/text/qwen2-tokenizer.js';
import { referenceNfc } from '../../src/text/qwen2-unicode.js';
import { qwen2Json, streamed } from './qwen2-json.js';

const tokenizer = Qwen2Tokenizer.fromJSON(qwen2Json());

const FIRST_SPECIAL = 151_643;
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
  fc
    .array(
      fc.constantFrom(' ', '\n', '\r', '\t', "'s", "'LL", 'a', '1', '!', '<|im_end|>', '<image>', '\ud83d', '\ude00'),
      {
        maxLength: 40,
      },
    )
    .map((parts) => parts.join('')),
);
const byteIds = fc.constantFrom('Ċ', 'Ġ', 'a', 'ð', 'Ł', 'ĺ', 'Ģ', 'í', 'ł', 'ô', 'ı', 'Â', 'ï', '»', '¿', 'à', 'ÿ');
const anyIds = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 151_700 }),
    byteIds.map((char) => tokenizer.tokenId(char)!),
    fc.integer({ min: 0, max: 255 }),
  ),
  { maxLength: 60 },
);

function ordinary(text: string): number[] {
  return tokenizer.encode(text, { specialTokens: false });
}

describe('any string', () => {
  test('comes back as its NFC', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const wellFormed = Buffer.from(text, 'utf8').toString('utf8');
        expect(tokenizer.decode(ordinary(text))).toBe(referenceNfc(wellFormed));
        expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: false }).normalize('NFC')).toBe(
          wellFormed.normalize('NFC'),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('NFC is the engine’s but for characters newer than the reference’s', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0x6ff }).map((c) => String.fromCharCode(c)) }),
        (text) => {
          expect(tokenizer.decode(ordinary(text))).toBe(text.normalize('NFC'));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('never yields an added token when special tokens are off', () => {
    fc.assert(fc.property(texts, (text) => ordinary(text).every((id) => id < FIRST_SPECIAL)));
  });

  test('does not depend on what was encoded before', () => {
    const fresh = Qwen2Tokenizer.fromJSON(qwen2Json());
    fc.assert(
      fc.property(texts, (text) => {
        expect(tokenizer.encode(text)).toEqual(fresh.encode(text));
        expect(fresh.encode(text)).toEqual(tokenizer.encode(text));
      }),
      { numRuns: 500 },
    );
  });

  test('does not hang, however long', () => {
    const size = 100_000; // a quadratic loop would take minutes
    const random = (i: number) => String.fromCharCode(97 + ((Math.imul(i, 0x9e3779b1) >>> 20) % 26));
    const long = [
      'a'.repeat(size),
      Array.from({ length: size * 10 }, (_, i) => random(i)).join(''),
      'é'.repeat(size / 2),
      ' '.repeat(size),
      ` ${'\n '.repeat(size / 2)}`,
      '<|im_'.repeat(size / 5),
      'e\u0301'.repeat(size / 2),
    ];
    for (const text of long) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.normalize('NFC'));
  });
});

test('any ids: streamed deltas are well-formed and make up the decoded text', () => {
  fc.assert(
    fc.property(anyIds, fc.boolean(), (ids, skipSpecialTokens) => {
      const deltas = streamed(tokenizer, ids, skipSpecialTokens);
      for (const delta of deltas) expect(Buffer.from(delta).toString()).toBe(delta);
      expect(deltas.join('')).toBe(tokenizer.decode(ids, { skipSpecialTokens }));
    }),
    { numRuns: 5000 },
  );
});
