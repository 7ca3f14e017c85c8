/** Damaged files and damaged JSON, as fast-check draws them from good ones. */
import fc from 'fast-check';

/** Numbers that sizes and lengths turn into when a file is damaged. */
const EXTREMES = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 60_000, 0x7fffffff, 0xffffffff];

type Change = (bytes: Uint8Array) => Uint8Array;

const changes: fc.Arbitrary<Change>[] = [
  // one byte
  fc.tuple(fc.nat(), fc.nat(255)).map(
    ([at, value]) =>
      (bytes: Uint8Array) =>
        bytes.length === 0 ? bytes : bytes.with(at % bytes.length, value),
  ),
  // a byte of the header
  fc.tuple(fc.nat(63), fc.nat(255)).map(
    ([at, value]) =>
      (bytes: Uint8Array) =>
        at < bytes.length ? bytes.with(at, value) : bytes,
  ),
  // a number of 32 bits, either way round
  fc.tuple(fc.nat(), fc.constantFrom(...EXTREMES), fc.boolean()).map(([at, value, little]) => (bytes: Uint8Array) => {
    if (bytes.length < 4) return bytes;
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(at % (copy.length - 3), value, little);
    return copy;
  }),
  // cut short
  fc.nat().map((at) => (bytes: Uint8Array) => bytes.slice(0, at % (bytes.length + 1))),
  // bytes in between
  fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 24 })).map(([at, more]) => (bytes: Uint8Array) => {
    const where = at % (bytes.length + 1);
    return concatenated(bytes.subarray(0, where), more, bytes.subarray(where));
  }),
  // a part again, or instead of another
  fc.tuple(fc.nat(), fc.nat(), fc.nat(40)).map(([from, to, length]) => (bytes: Uint8Array) => {
    if (bytes.length === 0) return bytes;
    const copy = bytes.slice();
    copy.copyWithin(to % bytes.length, from % bytes.length, (from % bytes.length) + length);
    return copy;
  }),
];

/** Bytes of one of `files` with one to six changes; now and then whole, now and then nothing of it. */
export function damaged(files: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(fc.constantFrom(...files), fc.array(fc.oneof(...changes), { maxLength: 6 }))
    .map(([file, all]) => all.reduce((bytes, change) => change(bytes), file));
  return fc.oneof({ weight: 30, arbitrary: changed }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) });
}

function concatenated(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const ODD_VALUES: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null, undefined, true, false, 0, -1, 1, 0.5, 2 ** 31, 2 ** 53, 1e308, -1e308, Number.NaN, Infinity, '', ' ', '0',
    '../../etc/passwd', '/x', 'a\0b', '\ud800', '__proto__', 'constructor', 'é'.repeat(300), [], [[]], [null], {}, { a: [] },
  ), // biome-ignore format: one list
  fc.anything({ maxDepth: 2, maxKeys: 3 }),
  fc.string({ maxLength: 40 }),
  fc.integer(),
);

/** As JSON has them: no value that a file cannot hold, such as a list with holes. */
const asJson = (json: unknown): unknown => JSON.parse(JSON.stringify(json) ?? 'null');

/** A fresh copy of `json` with one to four of its values, at any depth, replaced, removed or renamed. */
export function damagedJson(json: unknown): fc.Arbitrary<unknown> {
  const change = fc.tuple(fc.array(fc.nat(), { minLength: 1, maxLength: 7 }), fc.nat(9), ODD_VALUES);
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((all) => {
    let root = structuredClone(json);
    for (const [path, kind, value] of all) root = changedAt(root, path, kind, value);
    return asJson(root);
  });
}

/** Walks down as `path` says, and changes where it ends or where there is no further down. */
function changedAt(root: unknown, path: number[], kind: number, value: unknown): unknown {
  if (typeof root !== 'object' || root === null) return value;
  let at = root as Record<string, unknown>;
  for (let depth = 0; ; depth++) {
    const keys = Object.keys(at);
    if (keys.length === 0) return root;
    const key = keys[path[depth]! % keys.length]!;
    const inner = at[key];
    if (depth + 1 < path.length && typeof inner === 'object' && inner !== null) {
      at = inner as Record<string, unknown>;
      continue;
    }
    if (kind === 0) delete at[key];
    else if (kind === 1 && !Array.isArray(at)) at[`${JSON.stringify(value) ?? 'x'}`.slice(0, 20)] = inner;
    else at[key] = value;
    return root;
  }
}
