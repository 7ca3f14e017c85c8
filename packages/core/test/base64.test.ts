import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFloats, encodeFloats } from '../src/base64.js';

const bits = (floats: Float32Array) => [...new Uint32Array(floats.buffer, floats.byteOffset, floats.length)];

test('floats are little-endian fp32', () => {
  expect(encodeFloats(Float32Array.of(1))).toBe('AACAPw==');
  expect(encodeFloats(Float32Array.of(1, -2.5))).toBe(Buffer.from('0000803f000020c0', 'hex').toString('base64'));
  expect(encodeFloats(new Float32Array(0))).toBe('');
  expect(decodeFloats('AACAPw==')).toEqual(Float32Array.of(1));
  expect(decodeFloats('')).toEqual(new Float32Array(0));
});

test('every value comes back with its bits', () => {
  const values = fc.float32Array({ maxLength: 100, noNaN: true });
  fc.assert(
    fc.property(values, (floats) => {
      expect(bits(decodeFloats(encodeFloats(floats))!)).toEqual(bits(floats));
    }),
  );
});

test('a view into a larger buffer is encoded alone', () => {
  const all = Float32Array.of(1, 2, 3, 4);
  expect(decodeFloats(encodeFloats(all.subarray(1, 3)))).toEqual(Float32Array.of(2, 3));
});

test('long arrays are the bytes of the array', () => {
  const floats = Float32Array.from({ length: 50_000 }, (_, index) => Math.sin(index) * 10 ** (index % 30));
  expect(encodeFloats(floats)).toBe(Buffer.from(floats.buffer).toString('base64'));
  expect(bits(decodeFloats(encodeFloats(floats))!)).toEqual(bits(floats));
});

test.each(['AA', 'AAA=', 'AACA', 'AACAPwA=', '%', 'AACAPw==AACA', 'ä', '====='])('%j is not whole floats', (text) => {
  expect(decodeFloats(text)).toBeNull();
});

test('any text gives floats or null', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
      const floats = decodeFloats(text);
      if (floats !== null) expect(floats.length * 4).toBe(Buffer.from(text, 'base64').length);
    }),
  );
});
