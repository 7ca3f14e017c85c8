import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFloats } from '../../src/base64.js';
import { checkLabels, LabelSet, type LabelSetJson, type LabelSetParts } from '../../src/clip/label-set.js';
import { MclipError } from '../../src/errors.js';
import { thrown } from '../thrown.js';

function parts(): LabelSetParts {
  return {
    model: 'mobileclip2-s0',
    visionSha256: 'a'.repeat(64),
    textSha256: null,
    tokenizer: 'clip-1',
    templates: ['a photo of a {}.', '{}'],
    logitScale: 100,
    logitBias: -10.5,
    dim: 3,
    labels: ['Katze 🐈', '"dog"'],
    embeddings: Float32Array.of(1, 0, 0, 0.6, 0.8, 0),
    neutral: Float32Array.of(0, 0, 1),
  };
}

const json = (): LabelSetJson => JSON.parse(JSON.stringify(new LabelSet(parts())));
const bits = (floats: Float32Array) => [...new Uint32Array(floats.buffer, floats.byteOffset, floats.length)];

test('a label set comes back from JSON as it was', () => {
  const restored = LabelSet.fromJSON(json());
  expect(restored).toBeInstanceOf(LabelSet);
  expect(restored.parts).toEqual(parts());
  expect(restored.labels).toEqual(parts().labels);
  expect(restored.toJSON()).toEqual(json());
});

test('text is read like an object', () => {
  expect(LabelSet.fromJSON(JSON.stringify(new LabelSet(parts()))).parts).toEqual(parts());
});

test('the JSON has the documented fields', () => {
  const { embeddings, neutral, ...rest } = parts();
  expect(json()).toEqual({
    version: 1,
    ...rest,
    embeddings: Buffer.from(embeddings.buffer).toString('base64'),
    neutral: Buffer.from(neutral!.buffer).toString('base64'),
  });
});

test('fields that may be absent are null', () => {
  const { neutral: _n, logitBias: _b, visionSha256: _v, textSha256: _t, ...rest } = json();
  const restored = LabelSet.fromJSON(rest as LabelSetJson);
  expect(restored.parts).toMatchObject({ neutral: null, logitBias: null, visionSha256: null, textSha256: null });
});

test('embeddings keep every bit', () => {
  const floats = fc.float32Array({ minLength: 2, maxLength: 60, noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(floats, (embeddings) => {
      const labels = Array.from(embeddings, (_, index) => `label ${index}`);
      const set = new LabelSet({ ...parts(), dim: 1, labels, embeddings, neutral: null });
      const restored = LabelSet.fromJSON(JSON.stringify(set)).parts.embeddings;
      expect(bits(restored)).toEqual(bits(embeddings));
    }),
  );
});

const floats = (...values: number[]) => encodeFloats(Float32Array.from(values));

test.each<[field: string, value: unknown]>([
  ['version', 2],
  ['version', undefined],
  ['version', '1'],
  ['model', ''],
  ['model', undefined],
  ['model', 5],
  ['tokenizer', null],
  ['templates', 'photo'],
  ['templates', [1]],
  ['templates', undefined],
  ['logitScale', 0],
  ['logitScale', '100'],
  ['logitScale', null],
  ['logitScale', Infinity],
  ['logitBias', 'low'],
  ['logitBias', Infinity],
  ['visionSha256', 5],
  ['visionSha256', 'abc'],
  ['textSha256', {}],
  ['dim', 0],
  ['dim', 2.5],
  ['dim', 4],
  ['dim', -3],
  ['labels', []],
  ['labels', 'cat'],
  ['labels', ['cat']],
  ['labels', ['cat', 'cat']],
  ['labels', ['cat', '']],
  ['labels', ['cat', 7]],
  ['labels', ['cat', 'dog', 'bird']],
  ['embeddings', undefined],
  ['embeddings', 7],
  ['embeddings', ''],
  ['embeddings', '%%%'],
  ['embeddings', floats(1, 0, 0, 1, 0)],
  ['embeddings', `${floats(1, 0, 0, 1, 0, 0).slice(0, -4)}AA==`],
  ['embeddings', floats(1, 0, 0, 1, 0, NaN)],
  ['embeddings', floats(1, 0, 0, 1, 0, Infinity)],
  ['neutral', floats(1, 0)],
  ['neutral', floats(NaN, 0, 0)],
  ['neutral', 3],
])('%s = %j is refused by name', (field, value) => {
  const error = thrown('INVALID_ARGUMENT', () => LabelSet.fromJSON({ ...json(), [field]: value }));
  const named = field === 'dim' || field === 'labels' ? /dim|labels|embeddings/ : new RegExp(field);
  expect(error.message).toMatch(named);
  expect(error.message.length).toBeLessThan(250);
});

test.each([null, 7, true, [], 'not JSON', '[]', '', '{"version":1'])('%j is no label set', (value) => {
  thrown('INVALID_ARGUMENT', () => LabelSet.fromJSON(value as unknown as LabelSetJson));
});

test('a failure to read text keeps its cause', () => {
  expect(thrown('INVALID_ARGUMENT', () => LabelSet.fromJSON('{')).cause).toBeInstanceOf(SyntaxError);
});

test('any JSON is refused as INVALID_ARGUMENT', () => {
  const nearly = fc.record(
    Object.fromEntries(
      Object.entries(json()).map(([key, value]) => [key, fc.oneof(fc.constant(value), fc.jsonValue())]),
    ),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), nearly, fc.string(), fc.json()), (value) => {
      let set: LabelSet;
      try {
        set = LabelSet.fromJSON(value as LabelSetJson);
      } catch (error) {
        expect(error).toBeInstanceOf(MclipError);
        expect((error as MclipError).code).toBe('INVALID_ARGUMENT');
        return;
      }
      const { dim, labels, embeddings, neutral, logitScale, logitBias } = set.parts;
      expect(embeddings).toHaveLength(labels.length * dim);
      expect(neutral === null || neutral.length === dim).toBe(true);
      expect(Number.isFinite(logitScale) && (logitBias === null || Number.isFinite(logitBias))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test.each<[unknown, string]>([
  [undefined, 'non-empty list'],
  [null, 'got null'],
  ['cat', 'got "cat"'],
  [[], 'got []'],
  [{ length: 1, 0: 'cat' }, 'non-empty list'],
  [['cat', ''], 'labels[1]'],
  [['cat', ' \t\n'], 'labels[1]'],
  [['cat', null], 'labels[1] must be a non-empty string, got null'],
  [['cat', 10n], 'labels[1]'],
  [[Symbol('cat')], 'labels[0]'],
  [new Array(3), 'labels[0]'],
  [['cat', 'dog', 'cat'], 'labels[2] repeats labels[0], "cat"'],
])('labels %o are refused', (labels, expected) => {
  expect(thrown('INVALID_ARGUMENT', () => checkLabels(labels)).message).toContain(expected);
});

test('labels that differ in case or space are different', () => {
  expect(() => checkLabels(['cat', 'Cat', 'cat ', '__proto__', 'constructor'])).not.toThrow();
});
