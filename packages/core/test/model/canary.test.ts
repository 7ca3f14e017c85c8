import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { canaryPicture, cosineOf, isRight } from '../../src/model/canary.js';
import { leastCosine } from '../../src/model/self-check.js';

// SHA-256 of canary_pixels(size) in tools/export/mclip_export/pictures.py
test.each([
  [3, '32ca95aec0a691f113fcfa4695d4174e3921b4ce810c1c30d58d98f5ff87c7f5'],
  [64, '2aaf8ce3b90ff6b8d7e2a83e056c78cfd01da60e5e20ac282b30c3ee206e5b42'],
  [256, '48815520fec28497a269365fc2e5e412347d3f3c9609b944a383e52aadc45c3e'],
  [1024, '3b424286741891796958756e1f70bf58fd04b34b6d887554397918cf86163bf6'],
])("picture 1 of %i pixels is Python's", (size, expected) => {
  expect(createHash('sha256').update(canaryPicture(size)).digest('hex')).toBe(expected);
});

test('cosines', () => {
  expect(cosineOf(Float32Array.of(3, 4), Float32Array.of(6, 8))).toBeCloseTo(1, 12);
  expect(cosineOf(Float32Array.of(1, 0), Float32Array.of(0, 5))).toBe(0);
  expect(cosineOf(Float32Array.of(1, 2), Float32Array.of(-1, -2))).toBeCloseTo(-1, 12);
  expect(cosineOf(Float32Array.of(1, 2), Float32Array.of(1, 2, 3))).toBe(0);
  expect(cosineOf(Float32Array.of(0, 0), Float32Array.of(1, 2))).toBeNaN();
});

test('an answer is right from the least cosine on, and never with NaN', () => {
  const expected = Float32Array.of(1, 0);
  const turned = (cosine: number) => Float32Array.of(cosine, Math.sqrt(1 - cosine * cosine));
  const check = { expected, least: leastCosine('fp32') };
  expect(isRight(turned(0.9991), check)).toBe(true);
  expect(isRight(turned(0.9989), check)).toBe(false);
  expect(isRight(Float32Array.of(NaN, 0), check)).toBe(false);
  expect(isRight(Float32Array.of(0, 0), check)).toBe(false);
  expect(isRight(turned(0.9989), { expected, least: leastCosine('q4f16') })).toBe(true);
  expect(isRight(Float32Array.of(NaN), { expected: null, least: 0.999 })).toBe(false);
  expect(isRight(Float32Array.of(2), { expected: null, least: 0.999 })).toBe(true);
});
