/**
 * Zero-shot classification: pictures against labels in plain words. Label embeddings are computed once, at creation.
 */
import { MclipError } from '../errors.js';
import type { Device } from '../model/device.js';
import type { OnProgress } from '../model/progress.js';
import { checkOptions } from '../options.js';
import type { Platform } from '../platform.js';
import { embedLabels, type LabelOptions } from './embed-labels.js';
import { checkLabels, LabelSet } from './label-set.js';
import { ClipModel } from './model.js';
import { DEFAULT_MODEL, type ModelOptions } from './model-options.js';
import { templateList } from './prompts.js';
import { rank, rowSimilarities, type ScoreFunction, scoreSimilarities } from './score.js';
import type { Watched } from './watch.js';

export interface ClassifierOptions extends ModelOptions, LabelOptions {}

export interface Classification {
  /** Null for the null class of `unknown: true`. */
  label: string | null;
  /** Position in `labels`, -1 for the null class. */
  index: number;
  /** See `scores`. */
  score: number;
  /** Cosine of image and label, -1 to 1. */
  similarity: number;
}

export interface ClassifyOptions {
  /** How many to return, best first; scores are over all labels all the same. Default: all. */
  topK?: number;
  signal?: AbortSignal;
}

export interface StreamOptions extends ClassifyOptions {
  /** Called for an image that fails, which is then left out. Without it the first failure ends the loop. */
  onError?: (error: unknown, index: number) => void;
}

/** Images under way at once in a stream: one decoding while one computes, and one in hand. */
const STREAM_WINDOW = 3;

/**
 * `ImageInput` is the adapter's `ImageSource`, `Video` what it can watch, and `Frame` what a watched video is made of.
 */
export class Classifier<ImageInput, Video = AsyncIterable<ImageInput>, Frame = ImageInput> {
  readonly labels: readonly string[];
  readonly #model: ClipModel;
  readonly #labelSet: LabelSet;
  readonly #scores: ScoreFunction;
  readonly #unknown: boolean;
  #disposed = false;

  /** @internal use `createClassifier` */
  static async create<ImageInput, Video = AsyncIterable<ImageInput>, Frame = ImageInput>(
    platform: Platform,
    labels: readonly string[] | LabelSet,
    options: ClassifierOptions,
  ): Promise<Classifier<ImageInput, Video, Frame>> {
    if (!(labels instanceof LabelSet)) checkLabels(labels);
    checkOptions(options);
    if (options.templates !== undefined) await templateList(options.templates); // fail before anything is fetched
    const { model: spec = labels instanceof LabelSet ? labels.parts.model : DEFAULT_MODEL } = options;
    const model = await ClipModel.open(platform, { ...options, model: spec });
    try {
      return await Classifier.#onModel(model, labels, options);
    } catch (error) {
      await model.release();
      throw error;
    }
  }

  static async #onModel<ImageInput, Video, Frame>(
    model: ClipModel,
    labels: readonly string[] | LabelSet,
    options: LabelOptions & { signal?: AbortSignal; onProgress?: OnProgress },
  ): Promise<Classifier<ImageInput, Video, Frame>> {
    const { scores = model.manifest.scores, unknown = false } = options;
    const needsNeutral = unknown || (scores === 'sigmoid' && model.manifest.logitBias === null);
    const labelSet =
      labels instanceof LabelSet
        ? await import('./adopt-label-set.js').then((sets) => sets.adoptLabelSet(model, labels, needsNeutral))
        : await embedLabels(model, labels, needsNeutral, options);
    await model.load(['vision'], options);
    return new Classifier<ImageInput, Video, Frame>(model, labelSet, scores, unknown);
  }

  private constructor(model: ClipModel, labelSet: LabelSet, scores: ScoreFunction, unknown: boolean) {
    this.#model = model;
    this.#labelSet = labelSet;
    this.#scores = scores;
    this.#unknown = unknown;
    this.labels = labelSet.labels;
  }

  /** Where the model runs and why there. */
  get device(): Device {
    return this.#model.device;
  }

  /**
   * Labels of one image, best first.
   *
   * @throws {MclipError} `IMAGE_DECODE`, `IMAGE_TOO_LARGE`, `INVALID_ARGUMENT`, `NETWORK`, `OFFLINE`, `DISPOSED`; or the
   * signal's own reason, at most 50 ms after it aborts.
   */
  async classify(image: ImageInput, options: ClassifyOptions = {}): Promise<Classification[]> {
    const { topK, signal } = this.#check(options);
    return this.#rank(await this.#model.encodeImage(image, signal), topK);
  }

  /** As `classify`, for many images at once; one failure fails the batch. */
  async classifyBatch(images: Iterable<ImageInput>, options: ClassifyOptions = {}): Promise<Classification[][]> {
    const all: Classification[][] = [];
    for await (const { results } of this.classifyStream(images, options)) all.push(results);
    return all;
  }

  /** Every image of a source of any length, in order, with a few under way at once and bounded memory. */
  async *classifyStream(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    options: StreamOptions = {},
  ): AsyncGenerator<{ index: number; results: Classification[] }, void, undefined> {
    const { topK, signal, onError } = this.#check(options);
    const classifyOne = async (image: ImageInput, index: number, stop: AbortSignal) => {
      try {
        return { index, results: await this.classify(image, { ...(topK && { topK }), signal: stop }) };
      } catch (error) {
        if (onError === undefined || stop.aborted) throw error;
        return { index, error };
      }
    };
    const order = await import('./in-order.js');
    for await (const item of order.mapInOrder(images, STREAM_WINDOW, classifyOne, signal)) {
      if ('error' in item) onError?.(item.error, item.index);
      else yield item;
    }
  }

  /**
   * Labels of a running video: always its newest frame, the ones in between are skipped. Leaving the loop or aborting
   * stops reading; the video itself goes on.
   *
   * @throws {MclipError} as `classify`
   */
  async *watch(
    video: Video,
    options: ClassifyOptions = {},
  ): AsyncGenerator<Watched<Frame, Classification[]>, void, undefined> {
    const { topK, signal } = this.#check(options);
    signal?.throwIfAborted();
    const classifyFrame = async (frame: Frame) => {
      this.#check({});
      return this.#rank(await this.#model.encodeImage(frame, signal), topK);
    };
    const watching = await import('./watch.js');
    yield* watching.watchFrames(await this.#model.platform.openFrames(video), classifyFrame, signal);
  }

  /** Another classifier on the same loaded model: only labels that are new to this machine are embedded. */
  async withLabels(
    labels: readonly string[] | LabelSet,
    options: LabelOptions & { signal?: AbortSignal; onProgress?: OnProgress } = {},
  ): Promise<Classifier<ImageInput, Video, Frame>> {
    this.#check(options);
    if (!(labels instanceof LabelSet)) checkLabels(labels);
    const {
      templates = this.#labelSet.parts.templates,
      scores = this.#scores,
      unknown = this.#unknown,
      ...loading
    } = options;
    const model = this.#model.retain();
    try {
      return await Classifier.#onModel(model, labels, { templates, scores, unknown, ...loading });
    } catch (error) {
      await model.release();
      throw error;
    }
  }

  /** The labels with their embeddings, for `JSON.stringify` and a later `createClassifier(LabelSet.fromJSON(json))`. */
  labelSet(): LabelSet {
    return this.#labelSet;
  }

  /** Runs the model once, so that the first picture is not slower than the next. */
  async warmup(options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = this.#check(options);
    await this.#model.warmup(signal);
  }

  /** Frees the model unless another classifier of `withLabels` still uses it. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#model.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #check<T extends object>(options: T): T {
    if (this.#disposed) throw new MclipError('DISPOSED', 'This classifier was disposed; create another one.');
    checkOptions(options);
    return options;
  }

  #rank(imageEmbedding: Float32Array, topK: number = Infinity): Classification[] {
    const { embeddings, neutral } = this.#labelSet.parts;
    const similarities = rowSimilarities(imageEmbedding, embeddings);
    const toNeutral = neutral === null ? null : rowSimilarities(imageEmbedding, neutral)[0]!;
    // the null class competes only when it may be an answer; sigmoid scores need it in any case
    const competing = this.#unknown || this.#scores === 'sigmoid' ? toNeutral : null;
    const scores = scoreSimilarities(similarities, competing, this.#scores, this.#labelSet.parts);
    const answers = this.#unknown ? scores : scores.subarray(0, this.labels.length);
    return rank(answers, topK).map((index) => ({
      label: this.labels[index] ?? null,
      index: index < this.labels.length ? index : -1,
      score: answers[index]!,
      similarity: similarities[index] ?? toNeutral!,
    }));
  }
}
