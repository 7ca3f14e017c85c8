import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RandomAccess } from '../../src/platform.js';
import { findOnnxTable } from '../../src/vlm/onnx-table.js';

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const message = (number: number, content: number[]) => [
  ...varint(number * 8 + 2),
  ...varint(content.length),
  ...content,
];
const count = (number: number, value: number) => [...varint(number * 8), ...varint(value)];
const words = (number: number, value: string) =>
  message(
    number,
    [...value].map((char) => char.charCodeAt(0)),
  );

const node = (op: string) => message(1, [...words(1, 'input'), ...words(2, 'output'), ...words(4, op)]);
const tensor = (dims: number[], type: number, bytes: number, packed = true) =>
  message(5, [
    ...(packed ? message(1, dims.flatMap(varint)) : dims.flatMap((dim) => count(1, dim))),
    ...count(2, type),
    ...words(8, 'embed_tokens.weight'),
    ...message(9, new Array(bytes).fill(7)),
  ]);
const model = (...graph: number[][]) => [
  ...count(1, 8),
  ...words(2, 'exporter'),
  ...message(7, graph.flat()),
  ...message(8, count(2, 17)),
];

function fileOf(bytes: number[]): RandomAccess & { bytesRead: number } {
  const data = Uint8Array.from(bytes);
  return {
    bytesRead: 0,
    size: data.length,
    async read(target, position) {
      expect(position + target.length).toBeLessThanOrEqual(data.length);
      this.bytesRead += target.length;
      target.set(data.subarray(position, position + target.length));
    },
    async close() {},
  };
}

test.each([true, false])(
  'the table of a look-up graph is found without reading it (packed dims: %s)',
  async (packed) => {
    const bytes = model(node('Gather'), node('Cast'), tensor([30_000, 6], 10, 360_000, packed), words(2, 'graph'));
    const file = fileOf(bytes);
    const table = await findOnnxTable(file, 6);
    expect(table).toMatchObject({ dtype: 'fp16', rows: 30_000, hidden: 6 });
    expect(bytes.slice(table!.offset, table!.offset + 360_000).every((byte) => byte === 7)).toBe(true);
    expect(bytes[table!.offset - 1]).not.toBe(7);
    expect(file.bytesRead).toBeLessThan(20_000);
  },
);

test.each([
  ['another width', model(node('Gather'), tensor([1000, 8], 10, 16_000))],
  ['a table of bytes', model(node('Gather'), tensor([1000, 6], 3, 6000))],
  ['a graph that computes', model(node('Gather'), node('Mul'), tensor([1000, 6], 1, 24_000))],
  ['two tables', model(node('Gather'), tensor([10, 6], 1, 240), tensor([10, 6], 1, 240))],
  ['external weights', model(node('Gather'), tensor([1000, 6], 1, 0))],
  ['no graph', [...count(1, 8)]],
  ['an empty file', []],
  ['text', [...'<!doctype html><html></html>'].map((char) => char.charCodeAt(0))],
])('%s: not a table to read rows from', async (_, bytes) => {
  expect(await findOnnxTable(fileOf(bytes), 6)).toBeNull();
});

test('damaged files are no table, never a crash', async () => {
  const good = model(node('Gather'), tensor([20, 6], 1, 480));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(good.length),
      async (changes, length) => {
        const bytes = [...good];
        for (const [at, byte] of changes) bytes[at] = byte;
        const file = fileOf(bytes.slice(0, length));
        const table = await findOnnxTable(file, 6);
        if (table !== null)
          expect(table.offset + table.rows * 6 * (table.dtype === 'fp32' ? 4 : 2)).toBeLessThanOrEqual(file.size);
      },
    ),
    { numRuns: 1000 },
  );
});
