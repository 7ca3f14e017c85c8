import { MclipError } from '../errors.js';
import type { EncodeTimings } from './engine.js';
import type { VlmModel } from './vlm-model.js';

/** A picture that the model has already looked at: every question about it starts almost at once. */
export class EncodedImage {
  /** What looking took, milliseconds. */
  readonly timings: Readonly<EncodeTimings>;
  readonly #model: VlmModel;
  readonly #number: number;
  #disposed = false;

  /** @internal use `captioner.encodeImage` */
  constructor(model: VlmModel, { number, ...timings }: EncodeTimings & { number: number }) {
    this.#model = model;
    this.#number = number;
    this.timings = timings;
  }

  /** @internal The number the engine knows it by. @throws {MclipError} `INVALID_ARGUMENT` for another model's image. */
  numberIn(model: VlmModel): number {
    if (this.#disposed) throw new MclipError('DISPOSED', 'This encoded image was disposed; encode the image again.');
    if (model !== this.#model) {
      throw new MclipError(
        'INVALID_ARGUMENT',
        'This encoded image belongs to another captioner; encode the image with this one.',
      );
    }
    return this.#number;
  }

  /** Frees the picture's features and cache. Answers under way are finished. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#model.engine.forgetImage(this.#number).catch(() => {}); // a disposed captioner has forgotten it already
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
