import fc from 'fast-check';
import { expect, test } from 'vitest';
import { l2Normalize } from '../../src/clip/l2-normalize.js';
import { rank, rowSimilarities, scoreSimilarities, sigmoid, similarity, softmax } from '../../src/clip/score.js';
import { thrown } from '../thrown.js';

const SCALE = { logitScale: 100, logitBias: null };
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
const logit = fc.double({ min: -200, max: 200, noNaN: true });

test('softmax is the exponentials over their sum', () => {
  fc.assert(
    fc.property(fc.array(logit, { minLength: 1, maxLength: 50 }), (logits) => {
      const exponentials = logits.map(Math.exp);
      const total = sum(exponentials);
      softmax(logits).forEach((value, index) => {
        expect(value).toBeCloseTo(exponentials[index]! / total, 12);
      });
    }),
  );
});

test('softmax sums to 1 and is not changed by a shift of all logits', () => {
  fc.assert(
    fc.property(fc.array(logit, { minLength: 1 }), fc.integer({ min: -1e6, max: 1e6 }), (logits, shift) => {
      const probabilities = softmax(logits);
      expect(sum(probabilities)).toBeCloseTo(1, 12);
      softmax(logits.map((value) => value + shift)).forEach((value, index) => {
        expect(value).toBeCloseTo(probabilities[index]!, 8);
      });
    }),
  );
});

test('softmax neither overflows nor gives NaN for huge logits', () => {
  expect([...softmax([1e300, 1e300])]).toEqual([0.5, 0.5]);
  expect([...softmax([1000, 0, -1e308])]).toEqual([1, 0, 0]);
  expect([...softmax([-1e5, -1e5, -1e5, -1e5])]).toEqual([0.25, 0.25, 0.25, 0.25]);
});

test('a logit of -Infinity has probability 0', () => {
  expect([...softmax([-Infinity, 3, 3])]).toEqual([0, 0.5, 0.5]);
  expect([...softmax(Float32Array.of(-Infinity, -5))]).toEqual([0, 1]);
});

test('softmax of one logit is 1, of none is empty', () => {
  expect([...softmax([-42])]).toEqual([1]);
  expect([...softmax([])]).toEqual([]);
});

test('softmax leaves its argument alone', () => {
  const logits = Float64Array.of(1, 2, 3);
  softmax(logits);
  expect([...logits]).toEqual([1, 2, 3]);
});

test('sigmoid is between 0 and 1, symmetric, and right at its ends', () => {
  expect(sigmoid(0)).toBe(0.5);
  expect(sigmoid(Math.log(3))).toBeCloseTo(0.75, 12);
  expect([sigmoid(1e9), sigmoid(-1e9)]).toEqual([1, 0]);
  fc.assert(
    fc.property(logit, (x) => {
      expect(sigmoid(x) + sigmoid(-x)).toBeCloseTo(1, 12);
    }),
  );
});

test("softmax scores are over the scaled similarities, a null class' last", () => {
  const similarities = Float64Array.of(0.25, 0.22);
  const [a, b] = scoreSimilarities(similarities, null, 'softmax', SCALE);
  expect(a! / b!).toBeCloseTo(Math.exp(3), 9);
  const withNeutral = scoreSimilarities(similarities, 0.24, 'softmax', SCALE);
  expect(withNeutral).toHaveLength(3);
  expect(sum(withNeutral)).toBeCloseTo(1, 12);
  expect(withNeutral[0]! / withNeutral[2]!).toBeCloseTo(Math.E, 9);
});

test('a trained bias scores each label on its own', () => {
  const scores = scoreSimilarities(Float64Array.of(0.2, 0.1, 0.2), null, 'sigmoid', { logitScale: 50, logitBias: -8 });
  expect([...scores]).toEqual([sigmoid(2), sigmoid(-3), sigmoid(2)]);
  const other = scoreSimilarities(Float64Array.of(0.2, 0.9), null, 'sigmoid', { logitScale: 50, logitBias: -8 });
  expect(other[0]).toBe(scores[0]);
});

test('without a bias sigmoid weighs each label against the neutral prompts', () => {
  const scores = scoreSimilarities(Float64Array.of(0.25, 0.2, 0.15), 0.2, 'sigmoid', SCALE);
  const pairs = [0.25, 0.2, 0.15].map((value) => softmax([value * 100, 0.2 * 100])[0]!);
  pairs.forEach((expected, index) => {
    expect(scores[index]).toBeCloseTo(expected, 12);
  });
  expect(scores[3]).toBe(0.5);
});

test('similarity scores are the cosines themselves', () => {
  const similarities = Float64Array.of(0.25, -0.1);
  expect([...scoreSimilarities(similarities, null, 'similarity', SCALE)]).toEqual([0.25, -0.1]);
  expect([...scoreSimilarities(similarities, 0.2, 'similarity', SCALE)]).toEqual([0.25, -0.1, 0.2]);
});

test('a null class can join any number of labels', () => {
  const similarities = new Float64Array(300_000).fill(0.1);
  const scores = scoreSimilarities(similarities, 0.2, 'softmax', SCALE);
  expect(scores).toHaveLength(300_001);
  expect(scores[300_000]! / scores[0]!).toBeCloseTo(Math.exp(10), 5);
});

test('rank gives the best first and keeps the order of equals', () => {
  expect(rank([0.1, 0.5, 0.5, 0.9, 0.1], 5)).toEqual([3, 1, 2, 0, 4]);
  expect(rank(new Float32Array(40), 40)).toEqual(Array.from({ length: 40 }, (_, index) => index));
});

test('rank gives no more than asked for', () => {
  expect(rank([1, 3, 2], 2)).toEqual([1, 2]);
  expect(rank([1, 3, 2], 9)).toEqual([1, 2, 0]);
  expect(rank([1, 3, 2], Infinity)).toEqual([1, 2, 0]);
  expect(rank([], 3)).toEqual([]);
});

test('rank agrees with a stable sort', () => {
  const scores = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 40 });
  fc.assert(
    fc.property(scores, fc.integer({ min: 1, max: 45 }), (values, count) => {
      const naive = values.map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value);
      expect(rank(values, count)).toEqual(naive.slice(0, count).map(({ index }) => index));
    }),
  );
});

test('l2Normalize divides by the length, in place', () => {
  const vector = Float32Array.of(3, 0, -4);
  expect(l2Normalize(vector)).toBe(vector);
  expect([...vector]).toEqual([3 / 5, 0, -4 / 5].map(Math.fround));
});

test('l2Normalize gives length 1 for tiny and huge vectors', () => {
  for (const size of [1e-30, 1, 1e30]) {
    const vector = l2Normalize(Float32Array.of(size, -size, size, size));
    expect([...vector]).toEqual([0.5, -0.5, 0.5, 0.5]);
  }
});

test.each([
  ['zeros', [0, 0, 0]],
  ['NaN', [1, NaN]],
  ['infinity', [1, Infinity]],
  ['nothing', []],
])('a vector of %s has no direction', (_, values) => {
  expect(thrown('INVALID_ARGUMENT', () => l2Normalize(Float32Array.from(values))).message).toMatch(
    /length (0|NaN|Inf)/,
  );
});

test('similarity is the cosine, whatever the lengths', () => {
  expect(similarity(Float32Array.of(1, 0), Float32Array.of(0, 5))).toBe(0);
  expect(similarity(Float32Array.of(1, 1), Float32Array.of(7, 7))).toBeCloseTo(1, 12);
  expect(similarity(Float32Array.of(1, 1), Float32Array.of(-2, -2))).toBeCloseTo(-1, 12);
  expect(similarity(Float32Array.of(1, 0), Float32Array.of(3, 4))).toBeCloseTo(0.6, 12);
});

test('similarity stays between -1 and 1 in spite of rounding', () => {
  const vector = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: 0.5, max: 2 }), { minLength: 1 });
  fc.assert(
    fc.property(vector, (values) => {
      const a = Float32Array.from(values);
      expect(similarity(a, a)).toBeLessThanOrEqual(1);
      const opposite = a.map((value) => -value);
      expect(similarity(a, opposite)).toBeGreaterThanOrEqual(-1);
      expect(similarity(a, a)).toBeCloseTo(1, 9);
    }),
  );
});

test('similarity refuses what cannot be compared', () => {
  const unequal = thrown('INVALID_ARGUMENT', () => similarity(new Float32Array(512), new Float32Array(768)));
  expect(unequal.message).toContain('512 and 768');
  thrown('INVALID_ARGUMENT', () => similarity(new Float32Array(0), new Float32Array(0)));
  thrown('INVALID_ARGUMENT', () => similarity(Float32Array.of(1, 0), Float32Array.of(0, 0)));
  thrown('INVALID_ARGUMENT', () => similarity(Float32Array.of(1, NaN), Float32Array.of(1, 0)));
  thrown('INVALID_ARGUMENT', () => similarity(Float32Array.of(1, Infinity), Float32Array.of(1, 0)));
});

test('row similarities are the dot products with each row', () => {
  const float = fc.float({ noNaN: true, min: -1, max: 1 });
  const matrices = fc
    .integer({ min: 1, max: 8 })
    .chain((dim) =>
      fc.tuple(
        fc.array(float, { minLength: dim, maxLength: dim }),
        fc.array(fc.array(float, { minLength: dim, maxLength: dim }), { maxLength: 6 }),
      ),
    );
  fc.assert(
    fc.property(matrices, ([vector, rows]) => {
      const similarities = rowSimilarities(Float32Array.from(vector), Float32Array.from(rows.flat()));
      expect(similarities).toHaveLength(rows.length);
      rows.forEach((row, index) => {
        expect(similarities[index]).toBeCloseTo(sum(row.map((value, at) => value * vector[at]!)), 9);
      });
    }),
  );
});
