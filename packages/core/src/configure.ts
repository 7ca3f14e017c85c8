import { invalid, shown } from './errors.js';

/** Settings of a process. `configure` sets defaults; every `create*` call takes the same names and wins. */
export interface Settings {
  /** Never touch the network: a model that is not stored locally is an `OFFLINE` error. Default false. */
  offline?: boolean;
  /** Threads of one model on CPU or wasm. Default: the machine's cores, at most 8. */
  numThreads?: number;
  /** Largest image that is decoded, in pixels, checked from the file's header. Default 100 million. */
  maxPixels?: number;
  /** Used instead of the global `fetch` for models and image URLs. */
  fetch?: typeof globalThis.fetch;
  /** Sent with every request for a model file, for instance an `Authorization` for a private repository. */
  headers?: Record<string, string>;
  /** Base URL of the model hub or of a mirror with the same paths. Default `https://huggingface.co`. */
  hubUrl?: string;
  /** Fetch models over unencrypted `http:` too, from other places than this machine or the page's own origin. */
  allowHttp?: boolean;
  /** Tries in a row that may fail before a download does. Default 4. */
  retries?: number;
  /** Milliseconds without a byte after which a download is tried again. Default 30,000. */
  stallTimeout?: number;
  /** Remove the models unused for longest when a new one does not fit. Default false: a `STORAGE` error. */
  evict?: boolean;
  /** Node: folder of downloaded models and label embeddings. Default: the system's cache folder. */
  cacheDir?: string;
  /** Web: where onnxruntime's `.wasm` files are served from. Default: beside the bundle. */
  wasmPaths?: string | Record<string, string>;
  /** Web: URL of clip-worker.js, for bundlers that do not emit it; the captioner's is `../vlm-worker/vlm-worker.js`. */
  workerUrl?: string | URL;
}

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

export type ResolvedSettings = Settings & Required<Pick<Settings, keyof typeof DEFAULTS>>;

let processWide: Settings = {};

/**
 * Sets process-wide defaults. Calls add up; a key given as `undefined` returns to the built-in default. Classifiers
 * that exist already keep what they were made with.
 *
 * @throws {MclipError} `INVALID_ARGUMENT` for a setting of the wrong type, or a number that is not a positive integer.
 */
export function configure(settings: Settings): void {
  checkSettings(settings);
  processWide = { ...processWide, ...pickSettings(settings) };
}

/** The settings of one call: its own options, else the process-wide ones, else the built-in ones. */
export function resolveSettings(options: Settings): ResolvedSettings {
  checkSettings(options);
  return { ...DEFAULTS, ...withoutUndefined(processWide), ...withoutUndefined(pickSettings(options)) };
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null;
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) > 0;

type Check = [isValid: (value: unknown) => boolean, expected: string];
const COUNT: Check = [isCount, 'a positive integer'];

/** Every setting, with a check where a wrong one would fail late and without a name. */
const CHECKS: Record<keyof Settings, Check | null> = {
  offline: null,
  numThreads: COUNT,
  maxPixels: COUNT,
  fetch: [(value) => typeof value === 'function', 'a function'],
  headers: [isObject, 'an object'],
  hubUrl: [(value) => typeof value === 'string' && value !== '', 'a URL as text'],
  allowHttp: null,
  retries: [(value) => value === 0 || isCount(value), 'a whole number'],
  stallTimeout: COUNT,
  evict: null,
  cacheDir: null,
  wasmPaths: null,
  workerUrl: null,
};
const NAMES = Object.keys(CHECKS) as (keyof Settings)[];

function checkSettings(settings: Settings): void {
  if (!isObject(settings)) throw invalid(`Settings must be an object, got ${shown(settings)}.`);
  for (const name of NAMES) {
    const value = settings[name];
    const [isValid, expected] = (value !== undefined && CHECKS[name]) || [];
    if (isValid?.(value) === false) throw invalid(`${name} must be ${expected}, got ${shown(value)}.`);
  }
}

function pickSettings(options: Settings): Settings {
  return Object.fromEntries(NAMES.filter((name) => name in options).map((name) => [name, options[name]])) as Settings;
}

function withoutUndefined(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Settings;
}
