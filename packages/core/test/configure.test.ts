import { afterEach, expect, test } from 'vitest';
import { configure, resolveSettings, type Settings } from '../src/configure.js';
import { thrown } from './thrown.js';

const DEFAULTS = {
  offline: false,
  maxPixels: 100_000_000,
  hubUrl: 'https://huggingface.co',
  headers: {},
  allowHttp: false,
  retries: 4,
  stallTimeout: 30_000,
  evict: false,
};

const EVERY: Required<Settings> = {
  offline: true,
  numThreads: 3,
  maxPixels: 1000,
  fetch: async () => new Response(),
  headers: { authorization: 'Bearer x' },
  hubUrl: 'https://mirror.example',
  allowHttp: true,
  retries: 0,
  stallTimeout: 5000,
  evict: true,
  cacheDir: '/tmp/models',
  wasmPaths: '/wasm/',
  workerUrl: '/worker.js',
};

afterEach(() => {
  configure(Object.fromEntries(Object.keys(EVERY).map((name) => [name, undefined])) as Settings);
});

test('built-in defaults', () => {
  expect(resolveSettings({})).toEqual(DEFAULTS);
});

test('configure changes the default of every setting', () => {
  configure(EVERY);
  expect(resolveSettings({})).toEqual(EVERY);
});

test('a call wins over configure, which wins over the built-in default', () => {
  configure({ hubUrl: 'https://a.example', maxPixels: 10, numThreads: 2 });
  expect(resolveSettings({ hubUrl: 'https://b.example' })).toEqual({
    ...DEFAULTS,
    hubUrl: 'https://b.example',
    maxPixels: 10,
    numThreads: 2,
  });
  expect(resolveSettings({}).hubUrl).toBe('https://a.example');
});

test('offline can be turned off again for one call', () => {
  configure({ offline: true });
  expect(resolveSettings({ offline: false }).offline).toBe(false);
  expect(resolveSettings({}).offline).toBe(true);
});

test('calls of configure add up', () => {
  configure({ numThreads: 2 });
  configure({ maxPixels: 5 });
  expect(resolveSettings({})).toEqual({ ...DEFAULTS, numThreads: 2, maxPixels: 5 });
});

test('undefined in configure returns to the built-in default', () => {
  configure({ hubUrl: 'https://a.example', numThreads: 2 });
  configure({ hubUrl: undefined, numThreads: undefined } as unknown as Settings);
  expect(resolveSettings({})).toEqual(DEFAULTS);
});

test('undefined in a call leaves the default', () => {
  configure({ maxPixels: 5 });
  const options = { maxPixels: undefined, hubUrl: undefined } as unknown as Settings;
  expect(resolveSettings(options)).toEqual({ ...DEFAULTS, maxPixels: 5 });
});

test('options that are no settings are left out', () => {
  const options = { model: 'x', signal: new AbortController().signal, numThreads: 1 };
  expect(resolveSettings(options)).toEqual({ ...DEFAULTS, numThreads: 1 });
  configure(options);
  expect(resolveSettings({})).toEqual({ ...DEFAULTS, numThreads: 1 });
});

test('settings that exist already stay as they are', () => {
  const before = resolveSettings({});
  configure({ maxPixels: 5 });
  expect(before.maxPixels).toBe(DEFAULTS.maxPixels);
});

test.each(['numThreads', 'maxPixels'])('%s must be a positive integer', (name) => {
  for (const value of [0, -1, 1.5, NaN, Infinity, '4', null]) {
    const shown = value === '4' ? '"4"' : String(value);
    const settings = { [name]: value } as Settings;
    for (const run of [() => configure(settings), () => resolveSettings(settings)]) {
      expect(thrown('INVALID_ARGUMENT', run).message).toBe(`${name} must be a positive integer, got ${shown}.`);
    }
  }
});

test.each([
  ['offline', 'false'],
  ['allowHttp', 1],
  ['evict', null],
  ['cacheDir', 5],
  ['retries', -1],
  ['retries', 1.5],
  ['stallTimeout', 0],
  ['hubUrl', 5],
  ['hubUrl', ''],
  ['hubUrl', null],
  ['fetch', 'fetch'],
  ['headers', 'Authorization: x'],
  ['headers', null],
])('%s = %j is refused', (name, value) => {
  const settings = { [name]: value } as unknown as Settings;
  expect(thrown('INVALID_ARGUMENT', () => configure(settings)).message).toContain(`${name} must be`);
  expect(thrown('INVALID_ARGUMENT', () => resolveSettings(settings)).message).toContain(`${name} must be`);
});

test('a name that is no option is refused, with those that there are', () => {
  for (const run of [
    () => configure({ ofline: true } as Settings),
    () => resolveSettings({ ofline: true } as Settings),
  ]) {
    expect(thrown('INVALID_ARGUMENT', run).message).toMatch(
      /^There is no option 'ofline'; there are offline, numThreads/,
    );
  }
});

test('a refused configure changes nothing', () => {
  thrown('INVALID_ARGUMENT', () => configure({ hubUrl: 'https://a.example', numThreads: 0 }));
  expect(resolveSettings({})).toEqual(DEFAULTS);
});

test.each([null, undefined, 'fast'])('%j is no settings object', (settings) => {
  thrown('INVALID_ARGUMENT', () => configure(settings as unknown as Settings));
});
