import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClipModel } from '../../src/clip/model.js';
import { PromptEmbeddings } from '../../src/clip/prompts.js';
import { rejection } from '../thrown.js';

const DIM = 8;

/** A unit vector of its own for every text. */
function textVector(text: string): Float32Array {
  let seed = 7;
  for (const character of text) seed = (Math.imul(seed, 31) + character.codePointAt(0)!) | 0;
  const vector = Array.from({ length: DIM }, (_, index) => Math.sin(seed * (index + 1)) + 0.3);
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => value / length);
}

/** What `PromptEmbeddings` needs of a model, with a store in memory and a count of the texts that were encoded. */
function textModel({ sha256 = 'a'.repeat(64), store = new Map<string, Float32Array>() } = {}) {
  const encoded: string[][] = [];
  const writes: string[][] = [];
  const model = {
    manifest: { dim: DIM },
    settings: {},
    graphSha256: async () => (sha256 === '' ? null : sha256),
    platform: {
      readEmbeddings: async (keys: string[]) => keys.map((key) => store.get(key) ?? null),
      writeEmbeddings: async (entries: [string, Float32Array][]) => {
        writes.push(entries.map(([key]) => key));
        for (const [key, embedding] of entries) store.set(key, embedding.slice());
      },
    },
    async encodeTexts(texts: string[], { signal }: { signal?: AbortSignal }) {
      signal?.throwIfAborted();
      encoded.push(texts);
      return Float32Array.from(texts.flatMap((text) => [...textVector(text)]));
    },
  };
  return { model: model as unknown as ClipModel, encoded, writes, store };
}

const embed = async (model: ClipModel, groups: string[][]) =>
  (await PromptEmbeddings.lookUp(model, groups)).resolve({});

/** Mean of the unit vectors, made a unit vector again. */
function naive(group: string[]): number[] {
  const mean = Array.from({ length: DIM }, (_, at) =>
    group.reduce((sum, text) => sum + textVector(text)[at]! / group.length, 0),
  );
  const length = Math.hypot(...mean);
  return mean.map((value) => value / length);
}

test('a label is the normalised mean of its normalised prompts, whatever their number', async () => {
  const texts = fc.array(fc.string(), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 5 }), async (groups) => {
      const { model } = textModel();
      const embeddings = await embed(model, groups);
      expect(embeddings).toHaveLength(groups.length * DIM);
      groups.forEach((group, row) => {
        naive(group).forEach((value, at) => {
          expect(Math.abs(embeddings[row * DIM + at]! - value)).toBeLessThan(1e-6);
        });
      });
    }),
  );
});

test('the prompts of all labels are encoded in one go', async () => {
  const { model, encoded } = textModel();
  await embed(model, [['a', 'b'], ['c'], ['d', 'e']]);
  expect(encoded).toEqual([['a', 'b', 'c', 'd', 'e']]);
});

test('labels that are stored need no text tower, and come back bit for bit', async () => {
  const { model, encoded, writes } = textModel();
  const groups = [['a', 'b'], ['c']];
  const first = await embed(model, groups);
  const again = await PromptEmbeddings.lookUp(model, groups);
  expect(again.complete).toBe(true);
  expect(await again.resolve({})).toEqual(first);
  expect(encoded).toHaveLength(1);
  expect(writes).toHaveLength(1);
});

test('only new labels are encoded and stored', async () => {
  const { model, encoded, writes } = textModel();
  await embed(model, [['a'], ['c']]);
  const prompts = await PromptEmbeddings.lookUp(model, [['a'], ['b'], ['c'], ['d', 'e']]);
  expect(prompts.complete).toBe(false);
  const embeddings = await prompts.resolve({});
  expect(encoded[1]).toEqual(['b', 'd', 'e']);
  expect(writes[1]).toHaveLength(2);
  const expected = [['a'], ['b'], ['c'], ['d', 'e']].flatMap(naive);
  expected.forEach((value, at) => {
    expect(embeddings[at]).toBeCloseTo(value, 6);
  });
});

test.each<[string, (embedding: Float32Array) => Float32Array]>([
  ['too short', (embedding) => embedding.slice(1)],
  ['too long', (embedding) => Float32Array.of(...embedding, 0)],
  ['empty', () => new Float32Array(0)],
  ['of zeros', () => new Float32Array(DIM)],
  ['of another length', (embedding) => embedding.map((value) => value * 1.01)],
  ['with NaN', (embedding) => embedding.map((value, at) => (at === 3 ? NaN : value))],
  ['with infinity', (embedding) => embedding.map((value, at) => (at === 3 ? Infinity : value))],
])('a stored embedding %s is computed again', async (_, damage) => {
  const { model, encoded, store } = textModel();
  const first = await embed(model, [['a'], ['b']]);
  const [key, embedding] = [...store][0]!;
  store.set(key, damage(embedding));
  expect(await embed(model, [['a'], ['b']])).toEqual(first);
  expect(encoded[1]).toEqual(['a']);
  expect(store.get(key)).toEqual(embedding);
});

test('what is stored belongs to one text tower and to the exact prompts in their order', async () => {
  const { model, encoded, store } = textModel();
  await embed(model, [['a', 'b']]);
  await embed(textModel({ sha256: 'b'.repeat(64), store }).model, [['a', 'b']]);
  expect(store.size).toBe(2);
  await embed(model, [['b', 'a']]);
  await embed(model, [['a,b']]);
  await embed(model, [['a'], ['b']]);
  expect(encoded).toEqual([['a', 'b'], ['b', 'a'], ['a,b'], ['a', 'b']]);
  expect(store.size).toBe(6);
});

test('nothing is kept for a text tower without a known hash', async () => {
  const { model, encoded, writes } = textModel({ sha256: '' });
  const first = await embed(model, [['a'], ['b']]);
  expect(await embed(model, [['a'], ['b']])).toEqual(first);
  expect(encoded).toHaveLength(2);
  expect(writes).toEqual([]);
});

test('an aborted call stores nothing, and the next one succeeds', async () => {
  const { model, store } = textModel();
  const prompts = await PromptEmbeddings.lookUp(model, [['a']]);
  await expect(prompts.resolve({ signal: AbortSignal.abort('no') })).rejects.toBe('no');
  expect(store.size).toBe(0);
  expect(await prompts.resolve({})).toEqual(await embed(model, [['a']]));
});

test('prompts that cancel each other have no direction', async () => {
  const { model } = textModel();
  model.encodeTexts = async () => Float32Array.from([...textVector('a'), ...textVector('a').map((value) => -value)]);
  await rejection('INVALID_ARGUMENT', embed(model, [['a', 'b']]));
});
