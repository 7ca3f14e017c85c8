/**
 * The computing half of CLIP: images and texts to L2-normalised embeddings. Runs on the caller's thread
 * (`worker: false`) or inside a worker behind `RemoteClipEncoder`; both are a `ClipEncoder`.
 */
import type { Tensor, TypedTensor } from 'onnxruntime-common';
import { MclipError } from '../errors.js';
import { withPicture } from '../image/pixel-reader.js';
import { preprocessParts } from '../image/preprocess-parts.js';
import { inputTensor } from '../input-tensor.js';
import type { SelfCheck } from '../model/canary.js';
import { isReference } from '../model/device.js';
import type { Computing } from '../model/host.js';
import type { Dtype, GraphName, Manifest } from '../model/manifest.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { DeviceName, ModelFile, PortableImage, Runtime, RuntimeSettings } from '../platform.js';
import { Slots } from '../slots.js';
import { LoadedGraph } from './loaded-graph.js';
import type { TextTower } from './text-tower.js';

export type Preprocessing = 'exact' | 'fast';

export interface LoadRequest {
  graph: GraphName;
  file: ModelFile;
  dtype: Dtype;
  device: DeviceName;
  numThreads: number;
  /** Contents of a tokenizer.json, for text graphs that do not use the bundled vocabulary. */
  tokenizerJson: string | null;
  /** Null: the device is trusted with this graph. */
  check: SelfCheck | null;
}

/** An image, or what preprocessing made of it: [1, 3, size, size]. */
export type EncodableImage = PortableImage | Float32Array;

/** The device failed; the image can be encoded elsewhere without being at hand. */
export interface LostImage {
  why: string;
  pixelValues: Float32Array;
}

export interface ClipEncoder extends Computing {
  /** A graph whose answer to the check is wrong is freed again. */
  load(request: LoadRequest): Promise<LoadAnswer>;
  /** [dim]. The vision graph must be loaded. */
  encodeImage(
    image: EncodableImage,
    preprocessing: Preprocessing,
    signal?: AbortSignal,
  ): Promise<Float32Array | LostImage>;
  /** Flat [texts, dim]. The text graph must be loaded. One run: the caller chooses how many texts that is. */
  encodeTexts(texts: string[], signal?: AbortSignal): Promise<Float32Array>;
}

/** Pictures decoded at once. One more than needed to keep the model busy while the next is decoded. */
const IMAGES_UNDER_WAY = 3;

export class LocalClipEncoder implements ClipEncoder {
  readonly #runtime: Runtime;
  readonly #manifest: Manifest;
  readonly #maxPixels: number;
  readonly #pixelSlots: Slots<TypedTensor<'float32'>>;
  /** Runs never overlap: some runtimes cannot, and none gains from it. */
  readonly #turn = new Slots([null]);
  readonly stopped = null;
  #vision: LoadedGraph | null = null;
  #text: TextTower | null = null;
  #disposed = false;

  constructor(runtime: Runtime, manifest: Manifest, { maxPixels }: RuntimeSettings) {
    this.#runtime = runtime;
    this.#manifest = manifest;
    this.#maxPixels = maxPixels;
    const { size } = manifest.image;
    const newPixelValues = () => inputTensor('float32', new Float32Array(3 * size * size), [1, 3, size, size]);
    this.#pixelSlots = new Slots(Array.from({ length: IMAGES_UNDER_WAY }, newPixelValues));
  }

  async load({ graph, file, tokenizerJson, check, ...options }: LoadRequest): Promise<LoadAnswer> {
    const notes: string[] = [];
    // code of its own, as pictures and known labels do without; it comes while the session is made
    const opening = graph === 'text' ? import('./text-tower.js').then((tower) => tower.openTower(tokenizerJson)) : null;
    const parts = Promise.all([opening, check && import('./clip-canary.js')]);
    parts.catch(() => {}); // reported below
    const session = await this.#runtime.createSession(file, { ...options, onNote: (note) => notes.push(note) });
    try {
      const loaded = new LoadedGraph(session, this.#manifest.graphs[graph], this.#manifest.dim, options.device);
      const [towerOf, canary] = await parts;
      const tower = towerOf?.(loaded) ?? null;
      const inTurn = this.#turn.use.bind(this.#turn);
      const answer = canary && (await canary.canaryAnswer(loaded, tower, this.#manifest, inTurn));
      if (this.#disposed) throw new MclipError('DISPOSED', 'The model was disposed while it was loading.');
      if (canary && !canary.isRight(answer!, check!)) await session.release();
      else if (tower === null) this.#vision = loaded;
      else this.#text = tower;
      return { answer, notes };
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  encodeImage(
    image: EncodableImage,
    preprocessing: Preprocessing,
    signal?: AbortSignal,
  ): Promise<Float32Array | LostImage> {
    return this.#pixelSlots.use(async (pixelValues) => {
      const config = this.#manifest.image;
      if (image instanceof Float32Array) {
        pixelValues.data.set(image);
      } else {
        const options = { maxPixels: this.#maxPixels, fast: preprocessing === 'fast', ...config };
        await withPicture(this.#runtime, image, options, signal, (picture) =>
          preprocessParts(picture, config, pixelValues.data, signal),
        );
      }
      try {
        return await this.#run('vision', pixelValues, 1, signal);
      } catch (error) {
        if (!isLost(error)) throw error;
        return { why: error.message, pixelValues: pixelValues.data.slice() };
      }
    });
  }

  /** One run: [rows, dim], flat, each row a unit vector. Whatever goes wrong on a GPU is the GPU's failure. */
  #run(graph: GraphName, input: Tensor, rows: number, signal: AbortSignal | undefined): Promise<Float32Array> {
    return this.#turn.use(async () => {
      signal?.throwIfAborted();
      const loaded = required(graph === 'vision' ? this.#vision : this.#text?.graph, graph);
      try {
        return loaded.unitVectors(await loaded.session.run({ [loaded.input]: input }), rows);
      } catch (cause) {
        if (isReference(loaded.device) || isLost(cause)) throw cause;
        throw new MclipError('DEVICE_LOST', `Device '${loaded.device}' failed (${messageOf(cause)}).`, { cause });
      }
    });
  }

  async encodeTexts(texts: string[], signal?: AbortSignal): Promise<Float32Array> {
    const tower = required(this.#text, 'text');
    return tower.encode(texts, (input, rows) => this.#run('text', input, rows, signal));
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }

  /** Waits for the run under way, then frees the sessions. */
  dispose(): Promise<void> {
    this.#disposed = true;
    return this.#turn.use(async () => {
      const sessions = [this.#vision?.session, this.#text?.graph.session];
      this.#vision = null;
      this.#text = null;
      for (const session of sessions) await session?.release();
    });
  }
}

const isLost = (error: unknown): error is MclipError => MclipError.isInstance(error) && error.code === 'DEVICE_LOST';

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function required<T>(value: T | null | undefined, graph: GraphName): T {
  if (!value) throw new MclipError('DISPOSED', `The ${graph} graph is not loaded.`);
  return value;
}
