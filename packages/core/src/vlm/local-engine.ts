/** A `VlmEngine` on this thread: the caller's with `worker: false`, else a worker's. */
import { MclipError } from '../errors.js';
import { inputTensor } from '../input-tensor.js';
import { isReference } from '../model/device.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { Runtime, RuntimeSettings, SessionOptions } from '../platform.js';
import { Slots } from '../slots.js';
import { Conversations } from './conversations.js';
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
import { generate } from './generation.js';
import type { KernelSpeed } from './kernel-speed.js';
import { type LoadedVlm, loadVlm } from './loaded-vlm.js';
import { picturePrefix } from './picture-prefix.js';
import { pixelValuesOf } from './pixel-values.js';
import { optionLogProbabilities } from './score-options.js';
import type { VlmManifest } from './vlm-manifest.js';

export class LocalVlmEngine implements VlmEngine {
  readonly #runtime: Runtime;
  readonly #manifest: VlmManifest;
  readonly #maxPixels: number;
  /** Runs never overlap: some runtimes cannot, and none gains from it. */
  readonly #turn = new Slots([null]);
  readonly #conversations = new Conversations((features, system) => {
    const { model, prompts } = this.#ready();
    return picturePrefix(model, prompts.beforeImage(system), features);
  });
  readonly stopped = null;
  #loaded: LoadedVlm | null = null;
  #disposed = false;

  constructor(runtime: Runtime, manifest: VlmManifest, { maxPixels }: RuntimeSettings) {
    this.#runtime = runtime;
    this.#manifest = manifest;
    this.#maxPixels = maxPixels;
  }

  async load(request: VlmLoadRequest): Promise<LoadAnswer> {
    const { check } = request;
    const notes = new Set<string>();
    const loaded = await loadVlm(this.#runtime, this.#manifest, request, {
      inTurn: (run) => this.#inTurn(run),
      onNote: (note) => void notes.add(note),
      isDisposed: () => this.#disposed,
    });
    this.#loaded = loaded;
    try {
      const canary = check && (await import('./vlm-canary.js'));
      const answer = canary && (await canary.canaryAnswer(loaded, this.#manifest));
      if (canary && !canary.isRight(answer!, check!)) await this.#unload();
      return { answer, notes: [...notes] };
    } catch (error) {
      await this.#unload();
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
      const { vision } = this.#ready();
      await vision.features(grey, size);
      return vision.lastRunMs;
    });
  }

  async encodeImage(request: EncodeRequest, signal?: AbortSignal): Promise<(Features & EncodeTimings) | LostPicture> {
    const { image, size } = request;
    const config = this.#manifest.image;
    const { pixelValues, ...timings } = await pixelValuesOf(request, config, this.#runtime, this.#maxPixels, signal);
    const preprocessed = performance.now();
    const features = await this.#inTurn(() => {
      signal?.throwIfAborted();
      return this.#ready().vision.features(pixelValues, size);
    }).catch((error: MclipError) => {
      if (error.code === 'DEVICE_LOST') return error;
      throw error;
    });
    if (!(features instanceof Float32Array)) return { why: features.message, pixelValues: pixelValues.data };
    this.#conversations.addPicture(image, features);
    return { image, features, ...timings, visionMs: performance.now() - preprocessed };
  }

  async addImage({ image, features }: Features): Promise<void> {
    this.#conversations.addPicture(image, features);
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
    await loaded?.release();
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

  #ready(): LoadedVlm {
    if (this.#loaded === null) throw new MclipError('DISPOSED', 'The model is not loaded.');
    return this.#loaded;
  }
}
