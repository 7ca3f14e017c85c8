/**
 * Options by their names: what a value must be, where a wrong one would fail late and without its name. A name that is
 * no option is an error, as it is most often a misspelt one; names of other calls are let pass, so that calls can share
 * their options.
 */
import { invalid, shown } from './errors.js';

export type Check = [isValid: (value: unknown) => boolean, expected: string];
export type Checks = Record<string, Check | null>;

export const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
const isFunction = (value: unknown) => typeof value === 'function';
const isObject = (value: unknown) => typeof value === 'object' && value !== null;

export const COUNT: Check = [isCount, 'a positive integer'];
export const TEXT: Check = [(value) => typeof value === 'string' && value !== '', 'a non-empty string'];
/** One of these texts. */
export const oneOf = (...names: string[]): Check => [
  (value) => names.includes(value as string),
  `one of ${names.join(', ')}`,
];
const FLAG: Check = [(value) => typeof value === 'boolean', 'true or false'];
const FUNCTION: Check = [isFunction, 'a function'];

export const SETTINGS = {
  offline: FLAG,
  numThreads: COUNT,
  maxPixels: COUNT,
  fetch: FUNCTION,
  headers: [isObject, 'an object'],
  hubUrl: TEXT,
  allowHttp: FLAG,
  retries: [(value) => value === 0 || isCount(value), 'a whole number'],
  stallTimeout: COUNT,
  evict: FLAG,
  cacheDir: TEXT,
  wasmPaths: null,
  workerUrl: null,
} satisfies Checks;

/** Those whose check is null are checked where they are used. */
export const OPTIONS: Checks = {
  ...SETTINGS,
  model: null,
  device: null,
  dtype: null,
  preprocessing: oneOf('exact', 'fast'),
  benchmark: FLAG,
  worker: FLAG,
  templates: null,
  scores: oneOf('softmax', 'sigmoid', 'similarity'),
  unknown: FLAG,
  topK: COUNT,
  signal: [(value) => isFunction((value as AbortSignal | null)?.throwIfAborted), 'an AbortSignal'],
  onProgress: FUNCTION,
  onError: FUNCTION,
};

/** @throws {MclipError} `INVALID_ARGUMENT` with the name, the value and what was expected. */
export function checkOptions(options: object, checks: Checks = OPTIONS): void {
  if (!isObject(options)) throw invalid(`Options must be an object, got ${shown(options)}.`);
  for (const [name, value] of Object.entries(options)) {
    const check = checks[name];
    if (check === undefined)
      throw invalid(`There is no option '${name}'; there are ${Object.keys(checks).join(', ')}.`);
    if (value !== undefined && check?.[0](value) === false)
      throw invalid(`${name} must be ${check[1]}, got ${shown(value)}.`);
  }
}
