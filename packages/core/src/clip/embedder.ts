/** Images and texts as unit vectors of one space, for search, clustering and de-duplication. */
import { invalid, MclipError } from '../errors.js';
import type { Device } from '../model/device.js';
import type { OnProgress } from '../model/progress.js';
import { checkOptions } from '../options.js';
import type { Platform } from '../platform.js';
import { ClipModel } from './model.js';
import type { ModelOptions } from './model-options.js';

export interface EncodeOptions {
  signal?: AbortSignal;
}

/** Images under way at once: one decoding while one computes, and one in hand. */
const IMAGE_WINDOW = 3;

/** `ImageInput` is the adapter's `ImageSource`. */
export class Embedder<ImageInput> {
  /** Length of every embedding. */
  readonly dim: number;
  readonly #model: ClipModel;
  #disposed = false;

  /** @internal use `createEmbedder` */
  static async create<ImageInput>(platform: Platform, options: ModelOptions): Promise<Embedder<ImageInput>> {
    const model = await ClipModel.open(platform, options);
    try {
      await model.load(['vision'], options);
      return new Embedder<ImageInput>(model);
    } catch (error) {
      await model.release();
      throw error;
    }
  }

  private constructor(model: ClipModel) {
    this.#model = model;
    this.dim = model.manifest.dim;
  }

  /** Where the model runs and why there. */
  get device(): Device {
    return this.#model.device;
  }

  /** [dim], L2-normalised. Throws as `Classifier.classify` does. */
  async encodeImage(image: ImageInput, options: EncodeOptions = {}): Promise<Float32Array> {
    const { signal } = this.#check(options);
    return this.#model.encodeImage(image, signal);
  }

  /** One [dim] vector per image, all views of one [images, dim] buffer. */
  async encodeImages(images: Iterable<ImageInput>, options: EncodeOptions = {}): Promise<Float32Array[]> {
    const { signal } = this.#check(options);
    const rows: Float32Array[] = [];
    const encode = (image: ImageInput, _index: number, stop: AbortSignal) => this.#model.encodeImage(image, stop);
    const { mapInOrder } = await import('./in-order.js');
    for await (const row of mapInOrder(images, IMAGE_WINDOW, encode, signal)) rows.push(row);
    const embeddings = new Float32Array(rows.length * this.dim);
    rows.forEach((row, index) => embeddings.set(row, index * this.dim));
    return this.#views(embeddings);
  }

  /** [dim], L2-normalised, comparable with `encodeImage`. The text is used as it is, without a template. */
  async encodeText(text: string, options: EncodeOptions = {}): Promise<Float32Array> {
    return (await this.encodeTexts([text], options))[0]!;
  }

  /** One [dim] vector per text, all views of one [texts, dim] buffer. Loads the text tower on first use. */
  async encodeTexts(
    texts: readonly string[],
    options: EncodeOptions & { onProgress?: OnProgress } = {},
  ): Promise<Float32Array[]> {
    this.#check(options);
    if (!Array.isArray(texts)) throw invalid(`texts must be a list, got ${typeof texts}.`);
    for (const [index, text] of texts.entries()) {
      if (typeof text !== 'string') {
        throw invalid(`texts[${index}] must be a string, got ${typeof text}.`);
      }
    }
    if (texts.length === 0) return [];
    return this.#views(await this.#model.encodeTexts(texts, options));
  }

  /** Loads what is not loaded yet and runs the vision tower once. */
  async warmup(options: EncodeOptions = {}): Promise<void> {
    const { signal } = this.#check(options);
    await this.#model.load(['vision', 'text'], { signal });
    await this.#model.warmup(signal);
  }

  /** Frees the model. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#model.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #views(embeddings: Float32Array): Float32Array[] {
    const { dim } = this;
    return Array.from({ length: embeddings.length / dim }, (_, row) => embeddings.subarray(row * dim, (row + 1) * dim));
  }

  #check<T extends object>(options: T): T {
    if (this.#disposed) throw new MclipError('DISPOSED', 'This embedder was disposed; create another one.');
    checkOptions(options);
    return options;
  }
}
