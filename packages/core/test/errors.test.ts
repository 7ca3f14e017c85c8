import { expect, test } from 'vitest';
import { fromWireError, MclipError, shown, toWireError } from '../src/errors.js';

test('an error has its class, code, message and cause', () => {
  const cause = new Error('because');
  const error = new MclipError('NETWORK', 'no answer', { cause });
  expect(error).toBeInstanceOf(Error);
  expect({ ...error, name: error.name, message: error.message, cause: error.cause }).toMatchObject({
    name: 'MclipError',
    code: 'NETWORK',
    message: 'no answer',
    cause,
  });
  expect(String(error)).toBe('MclipError: no answer');
});

test('an error of another copy of the package is recognised', () => {
  expect(MclipError.isInstance(new MclipError('NETWORK', 'x'))).toBe(true);
  expect(MclipError.isInstance({ [Symbol.for('mclip.error')]: true })).toBe(true);
  for (const value of [new Error('x'), { code: 'NETWORK' }, null, undefined, 'NETWORK']) {
    expect(MclipError.isInstance(value)).toBe(false);
  }
});

test('code, message and cause cross to another thread', () => {
  const error = new MclipError('MODEL_CORRUPT', 'vision.onnx: wrong hash', { cause: new RangeError('too short') });
  const restored = fromWireError(structuredClone(toWireError(error)));
  expect(restored).toBeInstanceOf(MclipError);
  expect(restored.code).toBe('MODEL_CORRUPT');
  expect(restored.message).toBe('vision.onnx: wrong hash');
  expect(restored.cause).toBe('RangeError: too short');
});

test('an error without a cause has none afterwards', () => {
  const restored = fromWireError(toWireError(new MclipError('DISPOSED', 'x')));
  expect('cause' in restored).toBe(false);
});

test('an unexpected error arrives as WORKER with its name and message', () => {
  const restored = fromWireError(structuredClone(toWireError(new TypeError('x is not a function'))));
  expect(restored.code).toBe('WORKER');
  expect(restored.message).toBe('TypeError: x is not a function');
});

test.each([
  ['text', 'Error: text'],
  [undefined, 'Error: undefined'],
  [7, 'Error: 7'],
  [Symbol('s'), 'Error: Symbol(s)'],
  [Object.create(null), 'Error: [object Object]'],
])('anything that is thrown can cross: %o', (value, message) => {
  expect(fromWireError(structuredClone(toWireError(value))).message).toBe(message);
});

test('a cause that has no text does not stop its error', () => {
  const error = new MclipError('NETWORK', 'x', { cause: Object.create(null) });
  expect(fromWireError(structuredClone(toWireError(error))).cause).toBe('[object Object]');
});

test('values are shown short, whatever they are', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  expect(shown('a"b')).toBe('"a\\"b"');
  expect(shown([1, null])).toBe('[1,null]');
  expect(shown(NaN)).toBe('NaN');
  expect(shown(undefined)).toBe('undefined');
  expect(shown(10n)).toBe('10');
  expect(shown(circular)).toBe('[object Object]');
  expect(shown(Symbol('x'))).toBe('Symbol(x)');
  expect(shown('x'.repeat(1000))).toHaveLength(60);
  expect(shown('x'.repeat(1000), 10)).toHaveLength(10);
});
