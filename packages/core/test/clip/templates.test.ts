import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillTemplates, NEUTRAL_PROMPTS, type Templates, templateList } from '../../src/clip/prompts.js';
import { OPENAI_TEMPLATES } from '../../src/clip/templates.js';

const golden = JSON.parse(readFileSync(new URL('../fixtures/templates.json', import.meta.url), 'utf8'));

test('the ImageNet templates are those of open_clip, in its order', () => {
  expect(golden.openai80).toHaveLength(80);
  expect(fillTemplates(OPENAI_TEMPLATES, 'X')).toEqual(golden.openai80);
});

test('named template sets', async () => {
  expect(await templateList('photo')).toEqual(['a photo of a {}.']);
  expect(await templateList('none')).toEqual(['{}']);
  expect(await templateList('openai-80')).toBe(OPENAI_TEMPLATES);
  expect(await templateList(['{} on a table', 'a {}'])).toEqual(['{} on a table', 'a {}']);
});

test.each<[unknown, string]>([
  ['photos', "'photo', 'openai-80', 'none'"],
  ['', 'non-empty list'],
  [[], 'got []'],
  [null, 'got null'],
  [7, 'got 7'],
  [{ length: 1, 0: '{}' }, 'non-empty list'],
  [['a {}', 'a photo'], '"a photo" has no {}'],
  [['a { }'], '"a { }" has no {}'],
  [[7], '7 has no {}'],
  [new Array(2), 'has no {}'],
  [[10n], 'has no {}'],
  [10n, 'non-empty list'],
])('templates %o are refused', async (templates, expected) => {
  await expect(templateList(templates as Templates)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(expected),
  });
});

test('every {} is replaced', () => {
  expect(fillTemplates(['{} and {}', 'a {}{}.'], 'cat')).toEqual(['cat and cat', 'a catcat.']);
});

test('a label is put in letter for letter', () => {
  for (const label of ['$&', '$1', '$$', "$'", '$`', '{}', '\\n', '$<x>']) {
    expect(fillTemplates(['a {}.', '{} {}'], label)).toEqual([`a ${label}.`, `${label} ${label}`]);
  }
});

test('filling is the same as splitting at {} and joining with the label', () => {
  const template = fc.array(fc.constantFrom('{}', 'a ', '{', '}', '$', '.')).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(template), fc.string(), (templates, label) => {
      expect(fillTemplates(templates, label)).toEqual(templates.map((text) => text.split('{}').join(label)));
    }),
  );
});

test('neutral prompts name no thing and have no place for a label', () => {
  expect(NEUTRAL_PROMPTS.length).toBeGreaterThan(0);
  expect(NEUTRAL_PROMPTS.some((prompt) => prompt.includes('{}'))).toBe(false);
});
