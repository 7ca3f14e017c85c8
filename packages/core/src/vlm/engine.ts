/**
 * The computing half of a captioner: pictures to image features, and conversations about them to text. Pictures and
 * chats stay here and are known by number, so that only words cross to the caller. Runs on the caller's thread
 * (`worker: false`) or inside a worker behind `RemoteVlmEngine`; both are a `VlmEngine`.
 */
import { Tensor } from 'onnxruntime-common';
import { MclipError } from '../errors.js';
import { withPicture } from '../image/pixel-reader.js';
import { type PreprocessConfig, preprocessParts } from '../image/preprocess.js';
import type { SelfCheck } from '../model/canary.js';
import { isReference } from '../model/device.js';
import type { Computing } from '../model/host.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { DeviceName, ModelFile, PortableImage, Runtime, RuntimeSettings, SessionOptions } from '../platform.js';
import { Slots } from '../slots.js';
import type { VlmDtypes } from './choose-vlm-dtype.js';
import { Decoder } from './decoder.js';
import { type Generated, type GenerationOptions, generate, type LanguageModel } from './generation.js';
import type { KernelSpeed } from './kernel-speed.js';
import type { KvCache } from './kv-cache.js';
import type { Kept } from './memory-plan.js';
import { openRows, type RowsFile } from './open-rows.js';
import { parkableSession } from './parkable-session.js';
import { Prompts } from './prompt.js';
import { optionLogProbabilities } from './score-options.js';
import { VisionEncoder } from './vision-encoder.js';
import type { VlmManifest } from './vlm-manifest.js';

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

export interface EncodeRequest {
  /** Number to know it by, never used before. */
  image: number;
  source: PortableImage;
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
  encodeImage(request: EncodeRequest, signal?: AbortSignal): Promise<EncodeTimings>;
  generate(request: GenerateRequest, onText: (delta: string) => void, signal?: AbortSignal): Promise<Answered>;
  /** Natural logarithm of the probability that the answer is this option, for each. */
  score(request: QuestionRequest & { options: readonly string[] }, signal?: AbortSignal): Promise<number[]>;
  forgetImage(image: number): Promise<void>;
  /** Not while a turn of it is under way. */
  forgetChat(chat: number): Promise<void>;
}

interface ImageState {
  /** [tokens, hidden] */
  features: Float32Array;
  /** By system text: the conversation up to the end of the picture. */
  prefixes: Map<string, Promise<KvCache>>;
  users: number;
  forgotten: boolean;
}

interface ChatState {
  turns: number;
  cache: KvCache;
  /** Ids of the last answer that `cache` has not seen. */
  unfed: number[];
  /** All ids so far. */
  history: number[];
}

interface Loaded {
  device: DeviceName;
  vision: VisionEncoder;
  prompts: Prompts;
  model: LanguageModel;
  /** Before a picture is looked at. */
  makeRoom(): Promise<void>;
}

export class LocalVlmEngine implements VlmEngine {
  readonly #runtime: Runtime;
  readonly #manifest: VlmManifest;
  readonly #maxPixels: number;
  /** Runs never overlap: some runtimes cannot, and none gains from it. */
  readonly #turn = new Slots([null]);
  readonly #images = new Map<number, ImageState>();
  /** After the last two turns: the caller may abort a turn that has just ended here. */
  readonly #chats = new Map<number, ChatState[]>();
  readonly stopped = null;
  #loaded: Loaded | null = null;
  #disposed = false;

  constructor(runtime: Runtime, manifest: VlmManifest, { maxPixels }: RuntimeSettings) {
    this.#runtime = runtime;
    this.#manifest = manifest;
    this.#maxPixels = maxPixels;
  }

  async load(request: VlmLoadRequest): Promise<LoadAnswer> {
    // not `request` in closures: they would hold the tokenizer's text, and a heap with it is one that V8 marks all the time
    const { device, numThreads, kept, dtypes, vision: visionFile, decoder: decoderFile } = request;
    const { decoder: config, prompt } = this.#manifest;
    const { Qwen2Tokenizer } = await import('../text/qwen2-tokenizer.js'); // with its tables of characters
    const tokenizer = Qwen2Tokenizer.fromJSON(request.tokenizerJson);
    const prompts = new Prompts(tokenizer, prompt);
    const keepOnDevice = Array.from({ length: config.layers }, (_, i) => [
      `present.${i}.key`,
      `present.${i}.value`,
    ]).flat();
    const notes = new Set<string>();
    const options = { device, numThreads, onNote: (note: string) => void notes.add(note) };
    const visionOptions = { ...options, dtype: dtypes.vision, lean: kept !== 'both' };
    const openVision = () => this.#runtime.createSession(visionFile, visionOptions);
    const made: { release(): Promise<void> }[] = [];
    try {
      const vision = await VisionEncoder.create(this.#manifest, openVision, kept === 'both');
      made.push(vision);
      const session = await parkableSession(() =>
        this.#runtime.createSession(decoderFile, { ...options, dtype: dtypes.decoder, keepOnDevice }),
      );
      made.push(session);
      const rows = await openRows(this.#runtime, this.#manifest, request.rows, options);
      made.push({ release: () => rows.dispose() });
      const decoder = new Decoder(session, config);
      const { OutputTensor } = this.#runtime;
      if (device === 'cpu' && OutputTensor !== undefined) await decoder.tryInPlace(OutputTensor);
      if (this.#disposed) throw new MclipError('DISPOSED', 'The model was disposed while it was loading.');
      this.#loaded = {
        device,
        vision,
        prompts,
        makeRoom: kept === 'one' ? session.park : async () => {},
        model: {
          decoder,
          rows,
          tokenizer,
          stopIds: prompts.stopIds,
          contextLength: config.contextLength,
          inTurn: (run) => this.#inTurn(run),
        },
      };
      const answer = request.check && (await this.#canary(this.#loaded));
      const wrong = request.check !== null && !(await import('../model/canary.js')).isRight(answer!, request.check);
      if (wrong) await this.#unload();
      return { answer, notes: [...notes] };
    } catch (error) {
      this.#loaded = null;
      for (const resource of made) await resource.release().catch(() => {});
      throw error;
    }
  }

  async kernelSpeed(options: SessionOptions): Promise<KernelSpeed> {
    const { kernelSpeed } = await import('./kernel-speed.js');
    return this.#turn.use(() => kernelSpeed(this.#runtime, options));
  }

  async visionMs(size: number): Promise<number> {
    const grey = new Tensor('float32', new Float32Array(3 * size * size).fill(0.5), [1, 3, size, size]);
    return this.#inTurn(async () => {
      await this.#imageFeatures(grey, size);
      return this.#ready().vision.lastRunMs;
    });
  }

  async #canary({ prompts, model, device }: Loaded): Promise<Float32Array> {
    const { canaryAnswer, failedCheck } = await import('./vlm-canary.js');
    const imageFeatures = (pixelValues: Tensor, size: number) =>
      this.#inTurn(() => this.#imageFeatures(pixelValues, size));
    return canaryAnswer({ manifest: this.#manifest, prompts, model, imageFeatures }).catch((cause) => {
      throw isReference(device) ? cause : failedCheck(device, `it cannot run the model (${cause})`, cause);
    });
  }

  async encodeImage({ image, source, size, fit }: EncodeRequest, signal?: AbortSignal): Promise<EncodeTimings> {
    const start = performance.now();
    let decoded = start;
    const { mean, std, interpolation } = this.#manifest.image;
    const config: PreprocessConfig = { size, fit, interpolation, mean, std, cropOffset: 'floor' };
    const options = { maxPixels: this.#maxPixels, fast: false, size, fit };
    const pixelValues = new Tensor('float32', new Float32Array(3 * size * size), [1, 3, size, size]);
    await withPicture(this.#runtime, source, options, signal, (picture) => {
      decoded = performance.now();
      return preprocessParts(picture, config, pixelValues.data, signal);
    });
    const preprocessed = performance.now();
    const features = await this.#inTurn(() => {
      signal?.throwIfAborted();
      return this.#imageFeatures(pixelValues, size);
    });
    this.#images.set(image, { features, prefixes: new Map(), users: 0, forgotten: false });
    return {
      decodeMs: decoded - start,
      preprocessMs: preprocessed - decoded,
      visionMs: performance.now() - preprocessed,
    };
  }

  async #imageFeatures(pixelValues: Tensor, size: number): Promise<Float32Array> {
    const { vision, makeRoom } = this.#ready();
    await makeRoom();
    return vision.features(pixelValues, size);
  }

  async generate(request: GenerateRequest, onText: (delta: string) => void, signal?: AbortSignal): Promise<Answered> {
    const { model, prompts } = this.#ready();
    const { chat, question, options } = request;
    const begin = performance.now();
    return this.#withPrefix(request, async (prefix) => {
      const prefixMs = performance.now() - begin;
      const before = chat === null ? undefined : this.#chatAfter(chat);
      const start = before?.cache ?? prefix;
      const prompt =
        before === undefined
          ? prompts.conversation(chat?.earlier ?? [], question)
          : [...before.unfed, ...prompts.nextQuestion(question)];
      const history = before?.history ?? prompts.beforeImage(request.system);
      const { cache, unfed, ...answer } = await generate(model, prompt, start, history, options, onText, signal);
      if (chat === null || this.#disposed) {
        cache.dispose();
      } else {
        const after = {
          turns: chat.earlier.length + 1,
          cache,
          unfed,
          history: [...history, ...prompt, ...answer.tokenIds],
        };
        this.#chats.set(chat.number, before === undefined ? [after] : [before, after]);
      }
      return {
        ...answer,
        promptTokens: start.length + prompt.length,
        prefillMs: prefixMs + answer.prefillMs,
        firstTokenMs: prefixMs + answer.firstTokenMs,
      };
    });
  }

  /** The chat as the caller knows it; turns it has not seen are undone, and older ones freed. */
  #chatAfter({ number, earlier }: NonNullable<GenerateRequest['chat']>): ChatState | undefined {
    const states = this.#chats.get(number) ?? [];
    const known = states.filter((state) => state.turns === earlier.length);
    for (const state of states) if (!known.includes(state)) state.cache.dispose();
    this.#chats.set(number, known);
    return known[0];
  }

  async score(request: QuestionRequest & { options: readonly string[] }, signal?: AbortSignal): Promise<number[]> {
    const { model, prompts } = this.#ready();
    return this.#withPrefix(request, (prefix) =>
      optionLogProbabilities(
        model,
        prompts.firstQuestion(request.question),
        prefix,
        request.options.map((option) => prompts.answer(option)),
        signal,
      ),
    );
  }

  /** Lends the conversation up to the end of the picture, computed on first use and kept with the picture. */
  async #withPrefix<T>({ image, system }: QuestionRequest, work: (prefix: KvCache) => Promise<T>): Promise<T> {
    const state = this.#images.get(image);
    if (state === undefined)
      throw new MclipError(
        'DISPOSED',
        'This encoded image is gone: it was disposed, or lost with its worker or device. Encode the image again.',
      );
    state.users++;
    try {
      let prefix = state.prefixes.get(system);
      if (prefix === undefined) {
        prefix = this.#prefill(state.features, system);
        state.prefixes.set(system, prefix);
        prefix.catch(() => state.prefixes.delete(system)); // a later question may try again
      }
      return await work(await prefix);
    } finally {
      state.users--;
      freeWhenUnused(state);
    }
  }

  async #prefill(features: Float32Array, system: string): Promise<KvCache> {
    const { model, prompts } = this.#ready();
    const ids = prompts.beforeImage(system);
    const embeds = new Float32Array(ids.length * model.decoder.hidden + features.length);
    await model.rows.read(ids, embeds, 0);
    embeds.set(features, ids.length * model.decoder.hidden);
    const cache = model.decoder.emptyCache();
    await model.inTurn(() => model.decoder.extend(embeds, cache));
    return cache;
  }

  async forgetImage(image: number): Promise<void> {
    const state = this.#images.get(image);
    this.#images.delete(image);
    if (state === undefined) return;
    state.forgotten = true;
    freeWhenUnused(state);
  }

  async forgetChat(chat: number): Promise<void> {
    for (const { cache } of this.#chats.get(chat) ?? []) cache.dispose();
    this.#chats.delete(chat);
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }

  /** Waits for the run under way, then frees everything. */
  dispose(): Promise<void> {
    this.#disposed = true;
    return this.#turn.use(async () => {
      for (const chat of [...this.#chats.keys()]) await this.forgetChat(chat);
      for (const image of [...this.#images.keys()]) await this.forgetImage(image);
      await this.#unload();
    });
  }

  async #unload(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = null;
    await loaded?.vision.release();
    await loaded?.model.decoder.release();
    await loaded?.model.rows.dispose();
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    return this.#turn.use(async () => {
      const { device } = this.#ready();
      try {
        return await run();
      } catch (cause) {
        const isWrong = MclipError.isInstance(cause) && cause.code === 'MODEL_CORRUPT';
        if (!isWrong || isReference(device)) throw cause;
        // the self-check proved the files: what is wrong now is the device
        throw new MclipError('DEVICE_LOST', `Device '${device}' failed (${cause.message})`, { cause });
      }
    });
  }

  #ready(): Loaded {
    if (this.#loaded === null) throw new MclipError('DISPOSED', 'The model is not loaded.');
    return this.#loaded;
  }
}

function freeWhenUnused({ forgotten, users, prefixes }: ImageState): void {
  if (!forgotten || users > 0) return;
  for (const prefix of prefixes.values()) prefix.then((cache) => cache.dispose()).catch(() => {});
  prefixes.clear();
}
