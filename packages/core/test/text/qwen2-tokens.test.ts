import { expect, test } from 'vitest';
import { Qwen2Tokens } from '../../src/text/qwen2-tokens.js';

const spellings = ['a', 'b', 'ab', undefined, 'ba', 'aba', undefined];
const tokens = new Qwen2Tokens(spellings);

test('every id has its spelling, and ids without a token have none', () => {
  expect(spellings.map((_, id) => tokens.at(id))).toEqual(['a', 'b', 'ab', '', 'ba', 'aba', '']);
  expect([tokens.at(7), tokens.at(1_000_000)]).toEqual(['', '']);
});

test('a spelling is found where it is a token of its own, not across tokens or inside of one', () => {
  expect(['a', 'b', 'ab', 'ba', 'aba'].map((token) => tokens.idOf(token))).toEqual([0, 1, 2, 4, 5]);
  expect(['', 'abb', 'bab', 'abaa', 'c'].map((token) => tokens.idOf(token))).toEqual(Array(5).fill(undefined));
});
