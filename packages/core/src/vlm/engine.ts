/**
 * The computing half of a captioner as the caller's half knows it: pictures to image features, and conversations about
 * them to text. Pictures and chats stay with it and are known by number, so that only words cross. It runs on the
 * caller's thread (`LocalVlmEngine`, with `worker: false`) or inside a worker behind `RemoteVlmEngine`.
 */
import type { SelfCheck } from '../model/canary.js';
import type { Computing } from '../model/host.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { DeviceName, ModelFile, PortableImage, SessionOptions } from '../platform.js';
import type { VlmDtypes } from './choose-vlm-dtype.js';
import type { Generated, GenerationOptions } from './generation.js';
import type { KernelSpeed } from './kernel-speed.js';
import type { Kept } from './memory-plan.js';
import type { RowsFile } from './open-rows.js';

/** `'pad'`: the whole picture on a black square, as trained. `'crop'`: its centre square, sides lost. */
export type VlmFit = 'pad' | 'crop';

export interface VlmLoadRequest {
  vision: ModelFile;
  decoder: ModelFile;
  dtypes: VlmDtypes;
  rows: RowsFile;
  tokenizerJson: string;
  device: DeviceName;
  numThreads: number;
  kept: Kept;
  /** Null: the device is trusted with this model. */
  check: SelfCheck | null;
}

/** The device failed; the picture can be looked at elsewhere without being at hand. */
export interface LostPicture {
  why: string;
  /** [1, 3, size, size] */
  pixelValues: Float32Array;
}

/** A picture that the model has looked at. */
export interface Features {
  /** Number to know it by, never used before. */
  image: number;
  /** [tokens, hidden] */
  features: Float32Array;
}

export interface EncodeRequest {
  /** As `Features.image`. */
  image: number;
  /** Or what preprocessing made of it. */
  source: PortableImage | Float32Array;
  /** Pixels. */
  size: number;
  fit: VlmFit;
}

export interface EncodeTimings {
  decodeMs: number;
  preprocessMs: number;
  visionMs: number;
}

/** A question about a picture, or the next one in a chat about it. */
export interface QuestionRequest {
  image: number;
  system: string;
  question: string;
}

export interface Turn {
  question: string;
  /** Ids. */
  answer: number[];
}

export interface GenerateRequest extends QuestionRequest {
  /** Null outside of chats; else its number and the turns of it that the caller has seen to the end. */
  chat: { number: number; earlier: readonly Turn[] } | null;
  options: GenerationOptions;
}

export interface Answered
  extends Pick<Generated, 'text' | 'tokenIds' | 'finishReason' | 'prefillMs' | 'firstTokenMs' | 'decodeMs'> {
  /** Of the prompt, the picture's and earlier turns' included. */
  promptTokens: number;
}

export interface VlmEngine extends Computing {
  /** A model whose answer to the check is wrong is freed again. */
  load(request: VlmLoadRequest): Promise<LoadAnswer>;
  /** Before anything is loaded. */
  kernelSpeed(options: SessionOptions): Promise<KernelSpeed>;
  /** What the vision encoder takes for a picture of this side, without loading, milliseconds. */
  visionMs(size: number): Promise<number>;
  encodeImage(request: EncodeRequest, signal?: AbortSignal): Promise<(Features & EncodeTimings) | LostPicture>;
  /** A picture that another engine has looked at. */
  addImage(picture: Features): Promise<void>;
  /** @param onText called with every piece of text; null when nobody listens */
  generate(request: GenerateRequest, onText: ((delta: string) => void) | null, signal?: AbortSignal): Promise<Answered>;
  /** Natural logarithm of the probability that the answer is this option, for each. */
  score(request: QuestionRequest & { options: readonly string[] }, signal?: AbortSignal): Promise<number[]>;
  forgetImage(image: number): Promise<void>;
  /** Not while a turn of it is under way. */
  forgetChat(chat: number): Promise<void>;
}
