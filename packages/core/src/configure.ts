import { type Checks, checkOptions, SETTINGS } from './options.js';

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

const NAMES = Object.keys(SETTINGS) as (keyof Settings)[];

const processWide: Record<string, unknown> = {};

/**
 * Sets process-wide defaults. Calls add up; a key given as `undefined` returns to the built-in default. Classifiers
 * that exist already keep what they were made with.
 *
 * @throws {MclipError} `INVALID_ARGUMENT` for a setting of the wrong type, or a name that is no option.
 */
export function configure(settings: Settings): void {
  checkOptions(settings);
  for (const name of NAMES) if (name in settings) processWide[name] = settings[name];
}

/** The settings of one call: its own options, else the process-wide ones, else the built-in ones. @param checks of everything that may be in them */
export function resolveSettings(options: Settings, checks?: Checks): ResolvedSettings {
  checkOptions(options, checks);
  const resolved: Record<string, unknown> = { ...DEFAULTS };
  for (const given of [processWide, options as Record<string, unknown>]) {
    for (const name of NAMES) if (given[name] !== undefined) resolved[name] = given[name];
  }
  return resolved as unknown as ResolvedSettings;
}
