import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { qwen2PieceEnd } from '../../src/text/qwen2-split.js';
import { Qwen2Tokenizer } from '../../src/text/qwen2-tokenizer.js';
import { thrown } from '../thrown.js';
import { type AddedFlags, qwen2Json, qwen2TokenNames, streamed } from './qwen2-json.js';

type EncodeCase = [text: string, ids: number[], plain?: number[]];
type DecodeCase = [ids: number[], text: string, withSpecials: string];

interface Golden {
  vocabularySha256: string;
  cases: EncodeCase[];
  decode: DecodeCase[];
  flags: { added: AddedFlags[]; cases: EncodeCase[]; decode: DecodeCase[] };
}

const goldenFile = new URL('../fixtures/qwen2.json.gz', import.meta.url);
const golden = JSON.parse(gunzipSync(readFileSync(goldenFile)).toString()) as Golden;
const tokenizer = Qwen2Tokenizer.fromJSON(qwen2Json());
const flagged = Qwen2Tokenizer.fromJSON(qwen2Json(golden.flags.added));

function wrongEncodings(encode: (text: string) => number[], cases: EncodeCase[], expected = (c: EncodeCase) => c[1]) {
  return cases.filter((c) => encode(c[0]).join() !== expected(c).join()).map(([text]) => JSON.stringify(text));
}

function wrongDecodings(under: Qwen2Tokenizer, cases: DecodeCase[]) {
  return cases.filter(
    ([ids, text, all]) => under.decode(ids) !== text || under.decode(ids, { skipSpecialTokens: false }) !== all,
  );
}

function ordinary(text: string): number[] {
  return tokenizer.encode(text, { specialTokens: false });
}

describe('against Hugging Face tokenizers', () => {
  test('the fixture is large, and made with the same vocabulary', () => {
    expect(golden.cases.length).toBeGreaterThanOrEqual(5000);
    expect(golden.decode.length).toBeGreaterThanOrEqual(600);
    expect(createHash('sha256').update(qwen2TokenNames().join('\n')).digest('hex')).toBe(golden.vocabularySha256);
  });

  test('encode is identical on every string', () => {
    expect(wrongEncodings((text) => tokenizer.encode(text), golden.cases)).toEqual([]);
  });

  test('encode without special tokens is identical on every string', () => {
    expect(wrongEncodings(ordinary, golden.cases, ([, ids, plain]) => plain ?? ids)).toEqual([]);
    expect(golden.cases.filter(([, , plain]) => plain !== undefined).length).toBeGreaterThan(200);
  });

  test('decode is identical on every list, with and without special tokens', () => {
    expect(wrongDecodings(tokenizer, golden.decode)).toEqual([]);
    expect(golden.decode.filter(([, text]) => text.includes('\ufffd')).length).toBeGreaterThan(200);
  });

  test('streamed deltas are the same text', () => {
    for (const [ids, text, all] of golden.decode) {
      expect(streamed(tokenizer, ids).join('')).toBe(text);
      expect(streamed(tokenizer, ids, false).join('')).toBe(all);
    }
  });

  test("added tokens' flags are honoured", () => {
    expect(wrongEncodings((text) => flagged.encode(text), golden.flags.cases)).toEqual([]);
    expect(wrongDecodings(flagged, golden.flags.decode)).toEqual([]);
  });
});

describe('by hand', () => {
  test("FastVLM's prompt", () => {
    const prompt =
      '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\nWhat?<|im_end|>\n';
    expect(tokenizer.encode(prompt)).toEqual([
      151644, 8948, 198, 2610, 525, 264, 10950, 17847, 13, 151645, 198, 151644, 872, 198, 151646, 198, 3838, 30, 151645,
      198,
    ]);
  });

  test('pieces, also where the ids would not show them', () => {
    const pieces = (text: string): string[] => {
      const found: string[] = [];
      for (let at = 0; at < text.length; at += found.at(-1)!.length)
        found.push(text.slice(at, qwen2PieceEnd(text, at)));
      return found;
    };
    expect(pieces("x'\u017fy'Re'ß")).toEqual(['x', "'\u017f", 'y', "'Re", "'ß"]); // ſ is s, case ignored
    expect(pieces('a  b \n\n c !?\n1\u0085\ufeffd')).toEqual([
      'a',
      ' ',
      ' b',
      ' \n\n',
      ' c',
      ' !?\n',
      '1',
      '\u0085',
      '\ufeffd',
    ]);
  });

  test('tokens by name', () => {
    expect(tokenizer.vocabSize).toBe(151_647);
    expect(tokenizer.tokenId('<|im_end|>')).toBe(151_645);
    expect(tokenizer.tokenId('Ġthe')).toBe(279);
    expect(tokenizer.tokenId('no such token')).toBeUndefined();
  });

  test('a character in parts is held back until it is whole', () => {
    const ids = ['ð', 'Ł', 'ĺ', 'Ģ'].map((char) => tokenizer.tokenId(char)!); // the bytes of 😀
    expect(streamed(tokenizer, ids)).toEqual(['', '', '', '😀', '']);
    expect(streamed(tokenizer, ids.slice(0, 3))).toEqual(['', '', '', '\ufffd']);
    expect(streamed(tokenizer, [...ids.slice(0, 2), tokenizer.tokenId('a')!])).toEqual(['', '', '\ufffda', '']);
  });

  test('a sequence that no byte can save is not held back', () => {
    const overlong = ['à', 'Ģ'].map((char) => tokenizer.tokenId(char)!); // E0 80
    expect(streamed(tokenizer, overlong)).toEqual(['', '\ufffd\ufffd', '']);
  });

  test('a stream starts anew after flush, and two streams do not mix', () => {
    const [lead, rest] = ['Ã', '©'].map((char) => tokenizer.tokenId(char)!);
    const [one, two] = [tokenizer.stream(), tokenizer.stream()];
    expect([one.push(lead), two.push(rest), one.push(rest), two.flush()]).toEqual(['', '\ufffd', 'é', '']);
    expect([one.push(lead), one.flush(), one.push(rest), one.flush()]).toEqual(['', '\ufffd', '\ufffd', '']);
  });

  test('a byte order mark is text', () => {
    expect(tokenizer.decode(tokenizer.encode('\ufeffa\ufeff'))).toBe('\ufeffa\ufeff');
  });

  test.each([-200, 1.5, Number.NaN, 7n, '7', undefined])('%s is no id', (id) => {
    thrown('INVALID_ARGUMENT', () => tokenizer.decode([id as number]));
    thrown('INVALID_ARGUMENT', () => tokenizer.stream().push(id as number));
  });

  test('only text is encoded', () => {
    thrown('INVALID_ARGUMENT', () => tokenizer.encode(7 as unknown as string));
  });
});
