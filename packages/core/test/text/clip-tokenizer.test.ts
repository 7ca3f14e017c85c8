import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { ClipTokenizer } from '../../src/text/clip-tokenizer.js';
import { loadClipTokenizer } from '../../src/text/load-clip-tokenizer.js';
import { thrown } from '../thrown.js';
import { clipTokenizerJson } from './tokenizer-json.js';

const START = 49406;
const END = 49407;

interface Golden {
  versions: Record<string, string>;
  excludedByMojibakeRepair: number;
  cases: [text: string, ids: number[]][];
}

const goldenFile = new URL('../fixtures/tokens.json.gz', import.meta.url);
const golden = JSON.parse(gunzipSync(readFileSync(goldenFile)).toString()) as Golden;
let tokenizer: ClipTokenizer;

beforeAll(async () => {
  tokenizer = await loadClipTokenizer();
});

function row(ids: number[]): number[] {
  const tokens = [START, ...ids.slice(0, 75), END];
  return [...tokens, ...new Array<number>(77 - tokens.length).fill(0)];
}

function differences(encode: (text: string) => number[], expected: (ids: number[]) => number[]): string[] {
  return golden.cases
    .filter(([text, ids]) => encode(text).join() !== expected(ids).join())
    .map(([text]) => JSON.stringify(text));
}

describe('against open_clip', () => {
  test('the fixture is large, and little was left out', () => {
    expect(golden.cases.length).toBeGreaterThanOrEqual(6000);
    expect(golden.excludedByMojibakeRepair).toBeLessThan(150);
  });

  test('encode is identical on every string', () => {
    expect(differences((text) => tokenizer.encode(text), row)).toEqual([]);
  });

  test('encodeOrdinary is identical on every string', () => {
    expect(
      differences(
        (text) => tokenizer.encodeOrdinary(text),
        (ids) => ids,
      ),
    ).toEqual([]);
  });

  test('a tokenizer from tokenizer.json gives the same ids', () => {
    const fromJson = ClipTokenizer.fromJSON(JSON.stringify(clipTokenizerJson()));
    expect(differences((text) => fromJson.encode(text), row)).toEqual([]);
  });

  test('a batch row is what encode returns', () => {
    const ints = new Int32Array(77 * 3).fill(-1);
    const bigints = new BigInt64Array(77);
    for (const [text, ids] of golden.cases.slice(0, 500)) {
      tokenizer.encodeInto(text, ints, 77);
      tokenizer.encodeInto(text, bigints);
      expect(Array.from(ints.subarray(77, 154))).toEqual(row(ids));
      expect(Array.from(bigints, Number)).toEqual(row(ids));
    }
    expect(ints[76]).toBe(-1);
    expect(ints[154]).toBe(-1);
  });
});

describe('by hand', () => {
  test('a photo of a cat', () => {
    expect(tokenizer.encode('A photo of a  Cat')).toEqual(row([320, 1125, 539, 320, 2368]));
  });

  test('special tokens in the text are special, as in open_clip; with a long s they are not', () => {
    expect(tokenizer.encodeOrdinary('<START_OF_TEXT> <end_of_text>')).toEqual([START, END]);
    expect(tokenizer.encodeOrdinary('<\u017ftart_of_text>')).not.toContain(START);
    expect(tokenizer.encodeOrdinary('<|startoftext|>')).not.toContain(START);
  });

  test('a text that is too long keeps the end token last', () => {
    const ids = tokenizer.encode('cat '.repeat(200));
    expect(ids).toHaveLength(77);
    expect(ids.slice(75)).toEqual([2368, END]);
  });

  test('the same tokenizer is shared', async () => {
    expect(await loadClipTokenizer()).toBe(tokenizer);
  });
});

describe('any string', () => {
  const strings = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
    fc
      .array(
        fc.constantFrom(
          '&',
          '#',
          'x',
          '3',
          '8',
          ';',
          'amp',
          'lt',
          '<',
          '\x1b[',
          'm',
          ' ',
          "'",
          's',
          '\ud83d',
          '\ude00',
        ),
        {
          maxLength: 60,
        },
      )
      .map((parts) => parts.join('')),
  );

  test('becomes 77 ids: start, tokens, end, zeros', () => {
    fc.assert(
      fc.property(strings, (text) => {
        const ids = tokenizer.encode(text);
        const ordinary = tokenizer.encodeOrdinary(text);
        expect(ids).toEqual(row(ordinary));
        for (const id of ordinary) expect(id >= 0 && id <= END).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('does not depend on what was encoded before', () => {
    const fresh = ClipTokenizer.fromJSON(clipTokenizerJson());
    fc.assert(
      fc.property(strings, (text) => {
        expect(tokenizer.encodeOrdinary(text)).toEqual(fresh.encodeOrdinary(text));
        expect(fresh.encodeOrdinary(text)).toEqual(tokenizer.encodeOrdinary(text));
      }),
      { numRuns: 500 },
    );
  });

  test('does not hang, however long and nested', () => {
    const size = 1_000_000;
    const random = (i: number) => String.fromCharCode(97 + ((Math.imul(i, 0x9e3779b1) >>> 20) % 26));
    const texts = [
      'a'.repeat(size),
      Array.from({ length: size }, (_, i) => random(i)).join(''),
      'é'.repeat(size / 2),
      `&${'amp;'.repeat(size / 4)}lt;`,
      `${'&#x37e'.repeat(size / 6)};`,
      '&#38'.repeat(size / 4) + ';'.repeat(1000),
      '&'.repeat(size),
      '<'.repeat(size),
      '\x1b['.repeat(size / 2),
      'a\u0301\u0323'.repeat(size / 3),
      '\n&amp;'.repeat(size / 6),
    ];
    for (const text of texts) expect(tokenizer.encode(text)).toHaveLength(77);
    expect(tokenizer.encodeOrdinary(texts[3])).toEqual(tokenizer.encodeOrdinary('<'));
  });
});

describe('fromJSON', () => {
  test('takes merges as strings and as pairs, parsed or not', () => {
    const json = clipTokenizerJson();
    const pairs = { ...json, model: { ...json.model, merges: json.model.merges.map((merge) => merge.split(' ')) } };
    const expected = tokenizer.encode('Tokenizers, twice over');
    for (const input of [json, JSON.stringify(json), pairs]) {
      expect(ClipTokenizer.fromJSON(input).encode('Tokenizers, twice over')).toEqual(expected);
    }
  });

  test.each([null, undefined, 7, true, [[]]])('%j is no tokenizer.json', (input) => {
    expect(thrown('INVALID_ARGUMENT', () => ClipTokenizer.fromJSON(input)).message).toContain('tokenizer.json');
  });

  const { model, ...rest } = clipTokenizerJson();
  const { a: _, ...withoutA } = model.vocab;
  test.each<[string, unknown]>([
    ['not JSON', '{"model":'],
    ['a JSON array', '[]'],
    ['no model', rest],
    ['another model type', { ...rest, model: { ...model, type: 'Unigram' } }],
    ['another suffix', { ...rest, model: { ...model, end_of_word_suffix: '' } }],
    ['no vocabulary', { ...rest, model: { ...model, vocab: undefined } }],
    ['no merges', { ...rest, model: { ...model, merges: undefined } }],
    ['a merge of three', { ...rest, model: { ...model, merges: ['a b c'] } }],
    ['a merge that is no text', { ...rest, model: { ...model, merges: [[1, 2]] } }],
    ['a merge of unknown tokens', { ...rest, model: { ...model, merges: ['a zzzzqqqq'] } }],
    ['a missing byte', { ...rest, model: { ...model, vocab: withoutA } }],
    ['an id that is no integer', { ...rest, model: { ...model, vocab: { ...model.vocab, a: '64' } } }],
    ['an id out of range', { ...rest, model: { ...model, vocab: { ...model.vocab, a: -1 } } }],
  ])('%s is corrupt', (_name, input) => {
    expect(thrown('MODEL_CORRUPT', () => ClipTokenizer.fromJSON(input)).message).toContain('tokenizer.json');
  });

  test('no special tokens is corrupt', () => {
    const { '<|startoftext|>': _start, ...vocab } = model.vocab;
    thrown('MODEL_CORRUPT', () => ClipTokenizer.fromJSON({ ...rest, added_tokens: [], model: { ...model, vocab } }));
  });
});

test('encodeInto needs room for a row', () => {
  expect(() => tokenizer.encodeInto('a', new Int32Array(100), 24)).toThrow(RangeError);
  expect(() => tokenizer.encodeInto('a', new Int32Array(77), -1)).toThrow(RangeError);
});
