import { expect, test } from 'vitest';
import { fromHalves, toHalves } from '../src/half.js';

const every = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);

test('every half-precision number comes back from its value', () => {
  const values = new Float32Array(every.length);
  fromHalves(every, values);
  const isNumber = (bits: number) => (bits & 0x7fff) <= 0x7c00;
  expect(toHalves(values).filter((bits, i) => isNumber(every[i]!) && bits !== every[i]!)).toHaveLength(0);
  expect([...values].filter((value, bits) => Number.isNaN(value) === isNumber(bits))).toHaveLength(0);
});

test('known values', () => {
  const values = new Float32Array(6);
  fromHalves(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555, 0xfc00), values);
  expect([...values]).toEqual([1, -2, 65504, 2 ** -24, 0.333251953125, -Infinity]);
});

test('values in between are rounded to the nearest, ties to even', () => {
  const bits = toHalves(
    Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20, 65519, 65520, 2 ** -25, 3 * 2 ** -25),
  );
  expect([...bits]).toEqual([0x3c00, 0x3c02, 0x3c01, 0x7bff, 0x7c00, 0x0000, 0x0002]);
});

test('written where it is asked', () => {
  const target = new Float32Array(4);
  fromHalves(Uint16Array.of(0x3c00, 0x4000), target, 1);
  expect([...target]).toEqual([0, 1, 2, 0]);
});
