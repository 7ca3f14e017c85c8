/** A `VlmEngine` on this thread: the caller's with `worker: false`, else a worker's. */
import type { Tensor } from 'onnxruntime-common';
import { MclipError } from '../errors.js';
import { withPicture } from '../image/pixel-reader.js';
import { type PreprocessConfig, preprocessParts } from '../image/preprocess-parts.js';
import { inputTensor } from '../input-tensor.js';
import { isReference } from '../model/device.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { DeviceName, Runtime, RuntimeSettings, SessionOptions } from '../platform.js';
import { Slots } from '../slots.js';
import { Conversations } from './conversations.js';
import { Decoder } from './decoder.js';
import type {
  Answered,
  EncodeRequest,
  EncodeTimings,
  Features,
  GenerateRequest,
  LostPicture,
  QuestionRequest,
  VlmEngine,
  VlmLoadRequest,
} from './engine.js';
import { generate, type LanguageModel } from './generation.js';
import type { KernelSpeed } from './kernel-speed.js';
import type { KvCache } from './kv-cache.js';
import { openRows } from './open-rows.js';
import { parkableSession } from './parkable-session.js';
import { Prompts } from './prompt.js';
import { optionLogProbabilities } from './score-options.js';
import { VisionEncoder } from './vision-encoder.js';
import type { VlmManifest } from './vlm-manifest.js';

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
  readonly #conversations = new Conversations((features, system) => this.#prefill(features, system));
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
      const loadVision = async () => {
        const vision = await VisionEncoder.create(this.#manifest, openVision, kept === 'both');
        made.push(vision);
        return vision;
      };
      // wasm's memory never shrinks: there the larger file is first, and what loading it took is enough for the other
      const early = device === 'wasm' ? null : await loadVision();
      const session = await parkableSession(() =>
        this.#runtime.createSession(decoderFile, { ...options, dtype: dtypes.decoder, keepOnDevice }),
      );
      made.push(session);
      const vision = early ?? (await loadVision());
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
    const grey = inputTensor('float32', new Float32Array(3 * size * size).fill(0.5), [1, 3, size, size]);
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

  async encodeImage(
    { image, source, size, fit }: EncodeRequest,
    signal?: AbortSignal,
  ): Promise<(Features & EncodeTimings) | LostPicture> {
    const start = performance.now();
    let decoded = start;
    const { mean, std, interpolation } = this.#manifest.image;
    const config: PreprocessConfig = { size, fit, interpolation, mean, std, cropOffset: 'floor' };
    const options = { maxPixels: this.#maxPixels, fast: false, size, fit };
    const pixelValues = inputTensor('float32', new Float32Array(3 * size * size), [1, 3, size, size]);
    if (source instanceof Float32Array) pixelValues.data.set(source);
    else {
      await withPicture(this.#runtime, source, options, signal, (picture) => {
        decoded = performance.now();
        return preprocessParts(picture, config, pixelValues.data, signal);
      });
    }
    const preprocessed = performance.now();
    const features = await this.#inTurn(() => {
      signal?.throwIfAborted();
      return this.#imageFeatures(pixelValues, size);
    }).catch((error: MclipError) => {
      if (error.code === 'DEVICE_LOST') return error;
      throw error;
    });
    if (!(features instanceof Float32Array)) return { why: features.message, pixelValues: pixelValues.data };
    this.#conversations.addPicture(image, features);
    return {
      image,
      features,
      decodeMs: decoded - start,
      preprocessMs: preprocessed - decoded,
      visionMs: performance.now() - preprocessed,
    };
  }

  async addImage({ image, features }: Features): Promise<void> {
    this.#conversations.addPicture(image, features);
  }

  async #imageFeatures(pixelValues: Tensor, size: number): Promise<Float32Array> {
    const { vision, makeRoom } = this.#ready();
    await makeRoom();
    return vision.features(pixelValues, size);
  }

  async generate(
    request: GenerateRequest,
    onText: ((delta: string) => void) | null,
    signal?: AbortSignal,
  ): Promise<Answered> {
    const { model, prompts } = this.#ready();
    const { chat, question, options } = request;
    const begin = performance.now();
    return this.#conversations.withPrefix(request.image, request.system, async (prefix) => {
      const prefixMs = performance.now() - begin;
      const before = chat === null ? undefined : this.#conversations.chatAfter(chat.number, chat.earlier.length);
      const start = before?.cache ?? prefix;
      const prompt =
        before === undefined
          ? prompts.conversation(chat?.earlier ?? [], question)
          : [...before.unfed, ...prompts.nextQuestion(question)];
      const history = before?.history ?? prompts.beforeImage(request.system);
      const { cache, unfed, ...answer } = await generate(model, prompt, start, history, options, onText, signal);
      if (chat === null) {
        cache.dispose();
      } else {
        const turns = chat.earlier.length + 1;
        const after = { turns, cache, unfed, history: [...history, ...prompt, ...answer.tokenIds] };
        this.#conversations.addTurn(chat.number, before, after);
      }
      return {
        ...answer,
        promptTokens: start.length + prompt.length,
        prefillMs: prefixMs + answer.prefillMs,
        firstTokenMs: prefixMs + answer.firstTokenMs,
      };
    });
  }

  async score(request: QuestionRequest & { options: readonly string[] }, signal?: AbortSignal): Promise<number[]> {
    const { model, prompts } = this.#ready();
    return this.#conversations.withPrefix(request.image, request.system, (prefix) =>
      optionLogProbabilities(
        model,
        prompts.firstQuestion(request.question),
        prefix,
        request.options.map((option) => prompts.answer(option)),
        signal,
      ),
    );
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
    this.#conversations.forgetPicture(image);
  }

  async forgetChat(chat: number): Promise<void> {
    this.#conversations.forgetChat(chat);
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }

  /** Waits for the run under way, then frees everything. */
  dispose(): Promise<void> {
    this.#disposed = true;
    this.#conversations.end();
    return this.#turn.use(async () => {
      this.#conversations.forgetAll();
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
