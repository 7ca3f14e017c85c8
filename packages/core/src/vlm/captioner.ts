/** Pictures to words: captions, answers to questions, conversations, choices, live captions. */
import { raceSignal } from '../abort.js';
import { MclipError } from '../errors.js';
import type { Device } from '../model/device.js';
import { canBeReadAgain } from '../model/host.js';
import { checkOptions } from '../options.js';
import type { Platform } from '../platform.js';
import { type Caption, captionOf } from './caption-result.js';
import {
  CAPTION_OPTIONS,
  type CaptionerOptions,
  type CaptionOptions,
  check,
  checkText,
  generationOptions,
  type ViewOptions,
} from './captioner-options.js';
import { Chat } from './chat.js';
import { EncodedImage } from './encoded-image.js';
import type { EncodeTimings } from './engine.js';
import { Spoken, told } from './spoken.js';
import { textStream } from './text-stream.js';
import { VlmModel } from './vlm-model.js';

export interface Choice {
  option: string;
  /** That of the options this is the answer; they add up to 1. */
  probability: number;
}

/** One live caption. */
export interface WatchedCaption<Frame> {
  /** Owned by the library and valid until the next turn; copy what you want to keep. */
  frame: Frame;
  text: string;
  /** From the frame in hand to its caption, milliseconds. */
  ms: number;
}

/** Pictures that were encoded before take no time. */
const NO_TIME: EncodeTimings = { decodeMs: 0, preprocessMs: 0, visionMs: 0 };

/** `ImageInput` is the adapter's `ImageSource`, `Video` what it can watch, and `Frame` what a watched video is made of. */
export class Captioner<ImageInput, Video = AsyncIterable<ImageInput>, Frame = ImageInput> {
  readonly #model: VlmModel;
  #disposed = false;

  /** @internal use `createCaptioner` */
  static async create<ImageInput, Video = AsyncIterable<ImageInput>, Frame = ImageInput>(
    platform: Platform,
    options: CaptionerOptions,
  ): Promise<Captioner<ImageInput, Video, Frame>> {
    return new Captioner<ImageInput, Video, Frame>(await VlmModel.open(platform, options));
  }

  private constructor(model: VlmModel) {
    this.#model = model;
  }

  /** Where the model runs and why there. */
  get device(): Device {
    return this.#model.device;
  }

  /**
   * A sentence about the image.
   *
   * @throws {MclipError} `IMAGE_DECODE`, `IMAGE_TOO_LARGE`, `INVALID_ARGUMENT`, `NETWORK`, `OFFLINE`, `DISPOSED`; or the
   * signal's own reason, at most 50 ms after it aborts.
   */
  async caption(image: ImageInput | EncodedImage, options: CaptionOptions = {}): Promise<string> {
    return (await this.generate(image, options)).text;
  }

  /** The answer to a question about the image. Throws as `caption`. */
  async ask(image: ImageInput | EncodedImage, question: string, options: CaptionOptions = {}): Promise<string> {
    checkText('question', question);
    return (await this.generate(image, { ...options, prompt: question })).text;
  }

  /**
   * As `caption`, piece by piece while it is written. Each piece is whole characters, and all in a row are the
   * caption. Leaving the loop stops the model.
   */
  async *stream(
    image: ImageInput | EncodedImage,
    options: CaptionOptions = {},
  ): AsyncGenerator<string, void, undefined> {
    this.#check(options);
    yield* textStream((onText, signal) => this.#answer(image, { ...options, signal }, onText), options.signal);
  }

  /** As `caption`, with everything that is known about it. */
  generate(image: ImageInput | EncodedImage, options: CaptionOptions = {}): Promise<Caption> {
    return this.#answer(image, options, null);
  }

  /** Looks at the image once, for many questions. The result is accepted wherever an image is. */
  async encodeImage(image: ImageInput, options: ViewOptions = {}): Promise<EncodedImage> {
    this.#check(options);
    const encode = this.#taking(image, options);
    return this.#model.run(encode, () => canBeReadAgain(image));
  }

  /** A conversation about one image; every turn takes in its own words only. Nothing happens before the first one. */
  chat(image: ImageInput | EncodedImage, options: ViewOptions & { system?: string } = {}): Chat {
    this.#check(options);
    const { system = this.#model.manifest.prompt.system } = options;
    const ownsImage = !(image instanceof EncodedImage);
    const encode = ownsImage ? () => this.encodeImage(image, options) : async () => image;
    return new Chat(this.#model, encode, { system, ownsImage });
  }

  /**
   * The options as answers to the question, likeliest first, by the probability the model gives to each: no sampling,
   * no parsing of free text. Throws as `caption`, and `INVALID_ARGUMENT` for an option that the context has no room for.
   */
  async choose(
    image: ImageInput | EncodedImage,
    question: string,
    options: readonly string[],
    settings: ViewOptions & { system?: string } = {},
  ): Promise<Choice[]> {
    this.#check(settings);
    checkText('question', question);
    const isOption = (option: unknown) => typeof option === 'string' && option !== '';
    check(
      Array.isArray(options) && options.length > 0 && options.every(isOption),
      'options',
      options,
      'a list of texts',
    );
    const { system = this.#model.manifest.prompt.system } = settings;
    const signal = this.#model.until(settings.signal);
    return this.#withImage(image, settings, async (number) => {
      const scoring = this.#model.engine.score({ image: number, system, question, options }, signal);
      const scores = await raceSignal(scoring, signal);
      const highest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - highest));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      return options
        .map((option, index) => ({ option, probability: weights[index]! / total }))
        .sort((a, b) => b.probability - a.probability);
    });
  }

  /**
   * Captions of a running video, at most one every `everyMs`: always its newest frame, the ones in between are
   * skipped. Leaving the loop or aborting stops reading; the video itself goes on.
   */
  async *watch(
    video: Video,
    settings: CaptionOptions & { everyMs?: number } = {},
  ): AsyncGenerator<WatchedCaption<Frame>, void, undefined> {
    this.#check(settings);
    const { everyMs = 0, ...options } = settings;
    const signal = this.#model.until(options.signal);
    signal.throwIfAborted();
    const captionFrame = (frame: Frame) => this.caption(frame as unknown as ImageInput, { ...options, signal });
    const { watchFrames } = await import('../clip/watch.js');
    const frames = watchFrames<Frame, string>(
      await this.#model.platform.openFrames(video),
      captionFrame,
      signal,
      everyMs,
    );
    for await (const { frame, results, ms } of frames) yield { frame, text: results, ms };
  }

  /** Runs the model once, so that the first picture is not slower than the next. */
  async warmup(options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#check(options);
    const { signal } = options;
    const grey = { data: new Uint8Array(3 * 8 * 8).fill(128), width: 8, height: 8, channels: 3 };
    const resolution = this.#model.manifest.image.sizes[0]!;
    await this.caption(grey as ImageInput, { resolution, maxNewTokens: 1, ...(signal && { signal }) });
  }

  /** Ends everything under way with `DISPOSED` and frees the model. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#model.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #answer(
    image: ImageInput | EncodedImage,
    options: CaptionOptions,
    onText: ((delta: string) => void) | null,
  ): Promise<Caption> {
    const start = performance.now();
    this.#check(options);
    const { caption, system: ownSystem } = this.#model.manifest.prompt;
    const { prompt = caption, system = ownSystem } = options;
    const request = { chat: null, system, question: prompt, options: generationOptions(options) };
    const signal = this.#model.until(options.signal);
    const spoken = onText && new Spoken(onText);
    const answering = async (number: number, timings: EncodeTimings) => {
      const encodedMs = performance.now() - start;
      const generate = (say: ((delta: string) => void) | null, until: AbortSignal) =>
        this.#model.engine.generate({ image: number, ...request }, say, until);
      const answer = await (spoken === null
        ? raceSignal(generate(null, signal), signal)
        : spoken.tell(signal, generate));
      return answer && captionOf(answer, timings, encodedMs);
    };
    return told(await this.#withImage(image, options, answering));
  }

  /**
   * Lends the image to `work` by its number, which is done again when the worker or the device fails; what was encoded
   * for this alone is forgotten afterwards.
   */
  async #withImage<T>(
    image: ImageInput | EncodedImage,
    options: ViewOptions,
    work: (number: number, timings: EncodeTimings) => Promise<T>,
  ): Promise<T> {
    let encoded = image instanceof EncodedImage ? image : null;
    const encode = encoded === null ? this.#taking(image, options) : null;
    const working = async (before: MclipError | null) => {
      encoded ??= await encode!(before);
      return work(await encoded.numberIn(this.#model), encoded === image ? NO_TIME : encoded.timings);
    };
    try {
      return await this.#model.run(working, () => encoded !== null || canBeReadAgain(image));
    } finally {
      if (encoded !== image) encoded?.dispose();
    }
  }

  #taking(image: unknown, options: ViewOptions): (before: MclipError | null) => Promise<EncodedImage> {
    const encode = this.#model.taking(image, options);
    return async (before) => new EncodedImage(this.#model, await encode(before));
  }

  #check(options: object): void {
    if (this.#disposed) throw new MclipError('DISPOSED', 'This captioner was disposed; create another one.');
    checkOptions(options, CAPTION_OPTIONS);
  }
}
