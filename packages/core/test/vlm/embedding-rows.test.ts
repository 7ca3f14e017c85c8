import { expect, test } from 'vitest';
import { toHalves } from '../../src/half.js';
import type { RandomAccess } from '../../src/platform.js';
import { type TableLayout, TableRows } from '../../src/vlm/embedding-rows.js';
import { rejection, thrown } from '../thrown.js';

const HIDDEN = 3;
const VALUES = [
  [1, -2, 0.5],
  [0, 8, -0.25],
  [127, -127, 64],
];

function memoryFile(bytes: Uint8Array): RandomAccess & { reads: number } {
  return {
    reads: 0,
    size: bytes.length,
    async read(target, position) {
      this.reads++;
      target.set(bytes.subarray(position, position + target.length));
    },
    async close() {},
  };
}

const bytesOf = ({ buffer }: ArrayBufferView) => new Uint8Array(buffer as ArrayBuffer);

function q8Bytes(): Uint8Array {
  const bytes = new Uint8Array(VALUES.length * (4 + HIDDEN));
  VALUES.forEach((row, index) => {
    const scale = Math.max(...row.map(Math.abs)) / 127;
    new DataView(bytes.buffer).setFloat32(index * 7, scale, true);
    row.forEach((value, i) => {
      bytes[index * 7 + 4 + i] = Math.round(value / scale);
    });
  });
  return bytes;
}

const TABLES: [TableLayout['dtype'], Uint8Array, number][] = [
  ['fp32', bytesOf(Float32Array.from(VALUES.flat())), 0],
  ['fp16', bytesOf(toHalves(Float32Array.from(VALUES.flat()))), 0],
  ['q8', q8Bytes(), 0.04],
];

test.each(TABLES)('rows of a %s table, in any order and more than once', async (dtype, bytes, tolerance) => {
  const rows = new TableRows(memoryFile(bytes), { dtype, rows: 3, hidden: HIDDEN, offset: 0 });
  const target = new Float32Array(5 * HIDDEN).fill(9);
  await rows.read([2, 0, 2], target, 1);
  const expected = [9, 9, 9, ...VALUES[2]!, ...VALUES[0]!, ...VALUES[2]!, 9, 9, 9];
  target.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(tolerance);
  });
});

test('a table may lie anywhere in its file', async () => {
  const bytes = new Uint8Array(10 + 36);
  bytes.set(bytesOf(Float32Array.from(VALUES.flat())), 10);
  const rows = new TableRows(memoryFile(bytes), { dtype: 'fp32', rows: 3, hidden: HIDDEN, offset: 10 });
  const target = new Float32Array(HIDDEN);
  await rows.read([1], target, 0);
  expect([...target]).toEqual(VALUES[1]);
});

test('a file too short for its rows, and a token beyond them, are errors', async () => {
  const file = memoryFile(new Uint8Array(35));
  expect(
    thrown('MODEL_CORRUPT', () => new TableRows(file, { dtype: 'fp32', rows: 3, hidden: 3, offset: 0 })).message,
  ).toContain('36');
  const rows = new TableRows(memoryFile(new Uint8Array(36)), { dtype: 'fp32', rows: 3, hidden: 3, offset: 0 });
  expect((await rejection('MODEL_CORRUPT', rows.read([3], new Float32Array(3), 0))).message).toContain('3');
});

test('a row that was read is kept, until there are many', async () => {
  const count = 5000;
  const file = memoryFile(bytesOf(Float32Array.from({ length: count }, (_, id) => id)));
  const rows = new TableRows(file, { dtype: 'fp32', rows: count, hidden: 1, offset: 0 });
  const target = new Float32Array(count);
  await rows.read([4, 7], target, 0);
  await rows.read([7, 4, 7], target, 0);
  expect([...target.subarray(0, 3)]).toEqual([7, 4, 7]);
  expect(file.reads).toBe(2);
  const all = Array.from({ length: count }, (_, id) => id);
  await rows.read(all, target, 0);
  await rows.read(all, target, 0);
  expect([...target]).toEqual(all);
  expect(file.reads).toBeGreaterThan(count + count / 2); // not all of them were kept
});
