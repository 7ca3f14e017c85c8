/** Options of captioners and of their answers, checked in one place. */
import type { Settings } from '../configure.js';
import { invalid, shown } from '../errors.js';
import type { ModelSpec } from '../model/locate.js';
import type { Dtype } from '../model/manifest.js';
import type { OnProgress } from '../model/progress.js';
import { type Checks, COUNT, isCount, OPTIONS, oneOf, TEXT } from '../options.js';
import type { DeviceName } from '../platform.js';
import type { VlmFit } from './engine.js';
import type { GenerationOptions } from './generation.js';
import type { VlmManifest } from './vlm-manifest.js';

export const DEFAULT_CAPTIONER = 'fastvlm-0.5b';

export interface CaptionerOptions extends Settings {
  /** Default `'fastvlm-0.5b'`. */
  model?: ModelSpec;
  /** `'auto'` (default) takes the best device that works and says which in `device`. */
  device?: 'auto' | DeviceName;
  /** `'auto'` (default) follows the device; may be given per graph. */
  dtype?: 'auto' | Dtype | { vision?: 'auto' | Dtype; decoder?: 'auto' | Dtype };
  /**
   * `'high'`: everything stays loaded. `'low'`: one network at a time, each loaded anew for every new picture. `'auto'`
   * (default): as `'high'` where twice the memory that loading takes is there; else only the decoder stays.
   */
  memory?: 'auto' | 'low' | 'high';
  /** Decode, preprocess and compute off the caller's thread. Default true. */
  worker?: boolean;
  signal?: AbortSignal;
  onProgress?: OnProgress;
}

/** How a picture is seen. */
export interface ViewOptions {
  /**
   * Side of the square the picture is brought to, pixels; smaller is faster and coarser. Default: the model's own; in
   * WebAssembly the largest that the vision encoder takes at most 6 s for, as `device.reason` says after the first picture.
   */
  resolution?: number;
  /** `'pad'` (default): the whole picture on a black square. `'crop'`: its centre square, sides lost. */
  fit?: VlmFit;
  signal?: AbortSignal;
}

/** How an answer is found. */
export interface AnswerOptions {
  /** Most tokens of the answer. Default 128. */
  maxNewTokens?: number;
  /** 0 (default): always the likeliest token. Above 0 tokens are drawn, the more freely the higher. */
  temperature?: number;
  /** Only the `topK` likeliest tokens are drawn from. Default: all. */
  topK?: number;
  /** Only the likeliest tokens that together reach this probability, 0 to 1. Default 1: all. */
  topP?: number;
  /** Only tokens at least this share as likely as the likeliest, 0 to 1. Default 0: all. */
  minP?: number;
  /** Above 1, tokens that were there before become less likely. Default 1. */
  repetitionPenalty?: number;
  /** Of the draws. Default 0: the same call gives the same text. */
  seed?: number;
  /** Strings that end the answer; they are left out of it. */
  stop?: string | readonly string[];
  signal?: AbortSignal;
}

export interface CaptionOptions extends ViewOptions, AnswerOptions {
  /** Default: the model's own request for a caption. */
  prompt?: string;
  /** Default: the model's own. */
  system?: string;
}

const isNumber = (value: unknown, least: number, most = Infinity) =>
  Number.isFinite(value) && (value as number) >= least && (value as number) <= most;
const isStop = (value: unknown) => TEXT[0](value) || (Array.isArray(value) && value.every(TEXT[0]));

/** What the options of captioners and of their answers must be. */
export const CAPTION_OPTIONS: Checks = {
  ...OPTIONS,
  memory: oneOf('auto', 'low', 'high'),
  resolution: null, // the model's own sizes
  fit: oneOf('pad', 'crop'),
  prompt: TEXT,
  system: TEXT,
  maxNewTokens: COUNT,
  temperature: [(value) => isNumber(value, 0), '0 or a positive number'],
  topK: [(value) => value === 0 || isCount(value), '0 or a positive integer'],
  topP: [(value) => isNumber(value, Number.MIN_VALUE, 1), 'above 0 and at most 1'],
  minP: [(value) => isNumber(value, 0, 1), 'from 0 to 1'],
  repetitionPenalty: [(value) => isNumber(value, Number.MIN_VALUE), 'above 0'],
  seed: [Number.isSafeInteger, 'an integer'],
  stop: [isStop, 'strings that are not empty'],
  everyMs: [(value) => isNumber(value, 0), '0 or a positive number of milliseconds'],
};

/** Checked options, with what was left out. */
export function generationOptions({
  maxNewTokens = 128,
  temperature = 0,
  topK = 0,
  topP = 1,
  minP = 0,
  repetitionPenalty = 1,
  seed = 0,
  stop = [],
}: AnswerOptions): GenerationOptions {
  const stops = typeof stop === 'string' ? [stop] : stop;
  return { maxNewTokens, temperature, topK, topP, minP, repetitionPenalty, seed, stop: stops };
}

/** @throws {MclipError} `INVALID_ARGUMENT`, listing the sizes that the model takes. */
export function viewOf({ resolution, fit }: ViewOptions, { image }: VlmManifest): { size: number; fit: VlmFit } {
  const size = resolution ?? image.size;
  check(
    image.sizes.includes(size),
    'resolution',
    resolution,
    `one of ${image.sizes.join(', ')}, the sides this model takes`,
  );
  return { size, fit: fit ?? (image.fit === 'crop' ? 'crop' : 'pad') };
}

/** @throws {MclipError} `INVALID_ARGUMENT` */
export function checkText(name: string, value: unknown): void {
  check(TEXT[0](value), name, value, TEXT[1]);
}

export function check(holds: boolean, name: string, value: unknown, expected: string): void {
  if (!holds) throw invalid(`${name} must be ${expected}, got ${shown(value)}.`);
}
