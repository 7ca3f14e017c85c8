import { describe, expect, test } from 'vitest';
import { Qwen2Tokenizer } from '../../src/text/qwen2-tokenizer.js';
import { thrown } from '../thrown.js';
import { qwen2Json } from './qwen2-json.js';

/** A vocabulary of the bytes and a few merges: parsing is the matter here. */
function small() {
  const json = qwen2Json();
  const merges = [['a', 'b'] as [string, string], ['ab', 'c'] as [string, string]];
  const vocab: Record<string, number> = { ab: 256, abc: 300 };
  for (const [token, id] of Object.entries(json.model.vocab)) if (id < 256) vocab[token] = id;
  return { ...json, model: { ...json.model, vocab, merges } };
}

const json = small();
const { model, ...rest } = json;
const withModel = (changes: object) => ({ ...rest, model: { ...model, ...changes } });
const withSplit = (changes: object) => {
  const [split, byteLevel] = rest.pre_tokenizer.pretokenizers;
  return { ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [{ ...split, ...changes }, byteLevel] } };
};

describe('fromJSON', () => {
  test('takes merges as strings and as pairs, parsed or not', () => {
    const strings = withModel({ merges: model.merges.map((pair) => pair.join(' ')) });
    for (const input of [json, JSON.stringify(json), strings, JSON.stringify(strings)]) {
      expect(Qwen2Tokenizer.fromJSON(input).encode('abcab<image>')).toEqual([300, 256, 151_646]);
    }
  });

  test('a pair that is listed twice has its last rank', () => {
    const merges = [...model.merges, ['b', 'c'], ['a', 'b']];
    const tokenizer = Qwen2Tokenizer.fromJSON(withModel({ merges, vocab: { ...model.vocab, bc: 301 } }));
    expect(tokenizer.encode('abc')).toEqual([model.vocab.a, 301]);
  });

  test('does without normalizer and added tokens', () => {
    const { normalizer: _normalizer, added_tokens: _added, ...others } = json;
    const tokenizer = Qwen2Tokenizer.fromJSON(others);
    expect(tokenizer.decode(tokenizer.encode('e\u0301<image>'))).toBe('e\u0301<image>');
    expect(tokenizer.vocabSize).toBe(258);
  });

  test('NFC may be in a sequence', () => {
    const tokenizer = Qwen2Tokenizer.fromJSON({
      ...json,
      normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }] },
    });
    expect(tokenizer.decode(tokenizer.encode('e\u0301'))).toBe('\u00e9');
  });

  test.each([null, undefined, 7, true, [[]]])('%j is no tokenizer.json', (input) => {
    expect(thrown('INVALID_ARGUMENT', () => Qwen2Tokenizer.fromJSON(input)).message).toContain('tokenizer.json');
  });

  const { a: _a, ...withoutA } = model.vocab;
  test.each<[name: string, input: unknown, says: string]>([
    ['not JSON', '{"model":', 'not valid JSON'],
    ['a JSON array', '[]', 'no JSON object'],
    ['no model', rest, '"model" is missing'],
    ['another model type', withModel({ type: 'Unigram' }), 'Unigram'],
    ['a suffix', withModel({ end_of_word_suffix: '</w>' }), 'end_of_word_suffix'],
    ['dropout', withModel({ dropout: 0.1 }), 'dropout'],
    ['whole words first', withModel({ ignore_merges: true }), 'ignore_merges'],
    ['no vocabulary', withModel({ vocab: undefined }), 'model.vocab'],
    ['no merges', withModel({ merges: undefined }), 'model.merges'],
    ['a merge of three', withModel({ merges: ['a b c'] }), 'a b c'],
    ['a merge that is no text', withModel({ merges: [[1, 2]] }), 'has no 1'],
    ['a merge that is null', withModel({ merges: [null] }), 'null is no merge'],
    ['a merge of an unknown token', withModel({ merges: [['a', 'zzzz']] }), 'zzzz'],
    ['a merge to an unknown token', withModel({ merges: [['a', 'z']] }), '"az"'],
    ['a missing byte', withModel({ vocab: withoutA, merges: [] }), 'has no "a"'],
    ['an id that is no integer', withModel({ vocab: { ...model.vocab, a: '64' } }), '"64"'],
    ['an id out of range', withModel({ vocab: { ...model.vocab, a: -1 } }), '-1'],
    [
      'an id that would take a list of two billion',
      withModel({ vocab: { ...model.vocab, a: 2 ** 31 - 2 } }),
      '2147483646',
    ],
    ['another normalizer', { ...json, normalizer: { type: 'NFKC' } }, 'NFKC'],
    ['no pre_tokenizer', { ...json, pre_tokenizer: null }, 'pre_tokenizer'],
    ['another pattern', withSplit({ pattern: { Regex: '\\s+' } }), '\\\\s+'],
    ['another behaviour', withSplit({ behavior: 'Removed' }), 'Removed'],
    [
      'a prefix space',
      {
        ...json,
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            rest.pre_tokenizer.pretokenizers[0],
            { type: 'ByteLevel', add_prefix_space: true, use_regex: false },
          ],
        },
      },
      'add_prefix_space',
    ],
    ['no decoder', { ...json, decoder: null }, 'decoder'],
    ['added tokens of another kind', { ...json, added_tokens: {} }, 'added_tokens'],
    ['an added token without text', { ...json, added_tokens: [{ id: 1 }] }, 'added token'],
    ['an added token without id', { ...json, added_tokens: [{ content: '<x>' }] }, '<x>'],
  ])('%s is corrupt', (_name, input, says) => {
    const { message } = thrown('MODEL_CORRUPT', () => Qwen2Tokenizer.fromJSON(input));
    expect(message).toContain('tokenizer.json');
    expect(message).toContain(says);
  });
});
