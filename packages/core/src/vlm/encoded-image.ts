import { invalid, MclipError } from '../errors.js';
import type { EncodeTimings, Features, VlmEngine } from './engine.js';
import type { VlmModel } from './vlm-model.js';

/** A picture that the model has already looked at: every question about it starts almost at once. */
export class EncodedImage {
  /** What looking took, milliseconds. */
  readonly timings: Readonly<EncodeTimings>;
  readonly #model: VlmModel;
  /** Kept here: with an engine that fails its own are gone. */
  readonly #picture: Features;
  /** That has it, or will when `#added`. */
  #engine: VlmEngine;
  #added: Promise<void> | undefined;
  #disposed = false;

  /** @internal use `captioner.encodeImage` */
  constructor(model: VlmModel, { image, features, ...timings }: Features & EncodeTimings) {
    this.#model = model;
    this.#picture = { image, features };
    this.#engine = model.engine;
    this.timings = timings;
  }

  /** @internal The number its engine knows it by. @throws {MclipError} `INVALID_ARGUMENT` for another model's image. */
  async numberIn(model: VlmModel): Promise<number> {
    if (this.#disposed) throw new MclipError('DISPOSED', 'This encoded image was disposed; encode the image again.');
    if (model !== this.#model) {
      throw invalid('This encoded image belongs to another captioner; encode the image with this one.');
    }
    if (this.#engine !== model.engine) {
      this.#engine = model.engine;
      this.#added = this.#engine.addImage(this.#picture);
    }
    await this.#added;
    return this.#picture.image;
  }

  /** Frees the picture's features and cache. Answers under way are finished. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#model.engine.forgetImage(this.#picture.image).catch(() => {}); // a disposed captioner has forgotten it already
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
