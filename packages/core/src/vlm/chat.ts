/** A conversation about one image. What was said stays in the model's cache: a turn costs its own words only. */
import { raceSignal } from '../abort.js';
import { MclipError } from '../errors.js';
import { checkOptions } from '../options.js';
import { type Caption, captionOf } from './caption-result.js';
import { type AnswerOptions, CAPTION_OPTIONS, checkText, generationOptions } from './captioner-options.js';
import type { EncodedImage } from './encoded-image.js';
import type { Turn } from './engine.js';
import { Spoken, told } from './spoken.js';
import { textStream } from './text-stream.js';
import type { VlmModel } from './vlm-model.js';

const NO_TIME = { decodeMs: 0, preprocessMs: 0, visionMs: 0 };

export class Chat {
  readonly #model: VlmModel;
  readonly #encode: () => Promise<EncodedImage>;
  readonly #system: string;
  readonly #ownsImage: boolean;
  readonly #number: number;
  readonly #disposing = new AbortController();
  #image: Promise<EncodedImage> | null = null;
  /** What was said so far. */
  readonly #turns: Turn[] = [];
  /** Turns follow each other. */
  #lastTurn: Promise<unknown> = Promise.resolve();

  /** @internal use `captioner.chat` */
  constructor(
    model: VlmModel,
    encode: () => Promise<EncodedImage>,
    { system, ownsImage }: { system: string; ownsImage: boolean },
  ) {
    this.#model = model;
    this.#encode = encode;
    this.#system = system;
    this.#ownsImage = ownsImage;
    this.#number = model.newNumber();
  }

  /**
   * The answer. A turn that is aborted or fails is as if it had never been asked; turns asked at once are answered in
   * order. Throws as `captioner.caption`.
   */
  async ask(question: string, options: AnswerOptions = {}): Promise<string> {
    return (await this.generate(question, options)).text;
  }

  /** As `ask`, piece by piece while it is written. Leaving the loop is as aborting. */
  async *stream(question: string, options: AnswerOptions = {}): AsyncGenerator<string, void, undefined> {
    checkOptions(options, CAPTION_OPTIONS);
    yield* textStream((onText, signal) => this.#turn(question, { ...options, signal }, onText), options.signal);
  }

  /** As `ask`, with everything that is known about the answer. */
  generate(question: string, options: AnswerOptions = {}): Promise<Caption> {
    return this.#turn(question, options, null);
  }

  /** Frees the conversation. A turn under way ends with `DISPOSED`. Idempotent. */
  async dispose(): Promise<void> {
    this.#disposing.abort(new MclipError('DISPOSED', 'This chat was disposed.'));
    await this.#lastTurn.catch(() => {});
    await this.#model.engine.forgetChat(this.#number).catch(() => {}); // a disposed captioner has forgotten it already
    if (this.#ownsImage) await (await this.#image?.catch(() => null))?.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #turn(question: string, options: AnswerOptions, onText: ((delta: string) => void) | null): Promise<Caption> {
    checkText('question', question);
    checkOptions(options, CAPTION_OPTIONS);
    const generation = generationOptions(options);
    const ends = this.#disposing.signal;
    const signal = this.#model.until(options.signal === undefined ? ends : AbortSignal.any([options.signal, ends]));
    signal.throwIfAborted();
    const before = this.#lastTurn;
    const spoken = onText && new Spoken(onText);
    const answering = (async () => {
      await before.catch(() => {});
      signal.throwIfAborted();
      const start = performance.now();
      const isFirst = this.#image === null;
      const image = await this.#encoded();
      const encodedMs = performance.now() - start;
      const answerOnce = async () => {
        const request = {
          image: await image.numberIn(this.#model),
          chat: { number: this.#number, earlier: this.#turns },
          system: this.#system,
          question,
          options: generation,
        };
        const generate = (say: ((delta: string) => void) | null, until: AbortSignal) =>
          this.#model.engine.generate(request, say, until);
        return spoken === null ? generate(null, signal) : spoken.tell(signal, generate);
      };
      const answer = told(await this.#model.run(answerOnce));
      signal.throwIfAborted();
      this.#turns.push({ question, answer: answer.tokenIds });
      return captionOf(answer, isFirst && this.#ownsImage ? image.timings : NO_TIME, encodedMs);
    })();
    this.#lastTurn = answering;
    return raceSignal(answering, signal);
  }

  #encoded(): Promise<EncodedImage> {
    this.#image ??= this.#encode();
    this.#image.catch(() => {
      this.#image = null; // a later turn may try again
    });
    return this.#image;
  }
}
