/** A `VlmEngine` that lives in a worker, where `serveVlmEngine` answers. */
import { MclipError } from '../errors.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { RuntimeSettings, SessionOptions, WorkerPort } from '../platform.js';
import { WorkerClient } from '../worker/channel.js';
import { ownedBytes, ownedParts } from '../worker/owned-parts.js';
import type {
  Answered,
  EncodeRequest,
  EncodeTimings,
  GenerateRequest,
  QuestionRequest,
  VlmEngine,
  VlmLoadRequest,
} from './engine.js';
import type { KernelSpeed } from './kernel-speed.js';
import type { VlmManifest } from './vlm-manifest.js';

export interface ServedGenerateRequest extends GenerateRequest {
  /** Nobody listens to the text. */
  silent: boolean;
}

export class RemoteVlmEngine implements VlmEngine {
  readonly #client: WorkerClient;
  readonly #opened: Promise<void>;
  #started = false;

  constructor(port: WorkerPort, manifest: VlmManifest, settings: RuntimeSettings) {
    this.#client = new WorkerClient(port);
    this.#opened = this.#client.call('open', { manifest, settings });
    this.#opened.then(
      () => {
        this.#started = true;
      },
      () => {}, // reported by the first load
    );
  }

  /** A worker that never started would not start the next time either. */
  get stopped(): MclipError | null {
    return this.#started ? this.#client.stopped : null;
  }

  async load(request: VlmLoadRequest): Promise<LoadAnswer> {
    await this.#opened;
    const { vision, decoder, rows } = request;
    const files = [vision, decoder, 'graph' in rows ? rows.graph : rows.file];
    return this.#client.call('load', request, undefined, files.flatMap(ownedBytes));
  }

  async kernelSpeed(options: SessionOptions): Promise<KernelSpeed> {
    await this.#opened;
    return this.#client.call('kernelSpeed', options);
  }

  visionMs(size: number): Promise<number> {
    return this.#client.call('visionMs', { size });
  }

  encodeImage(request: EncodeRequest, signal?: AbortSignal): Promise<EncodeTimings> {
    return this.#client.call('encodeImage', request, signal, ownedParts(request.source));
  }

  generate(
    request: GenerateRequest,
    onText: ((delta: string) => void) | null,
    signal?: AbortSignal,
  ): Promise<Answered> {
    const args: ServedGenerateRequest = { ...request, silent: onText === null }; // a message would wake this thread for every token
    return this.#client.call('generate', args, signal, [], (delta) => onText?.(delta as string));
  }

  score(request: QuestionRequest & { options: readonly string[] }, signal?: AbortSignal): Promise<number[]> {
    return this.#client.call('score', request, signal);
  }

  forgetImage(image: number): Promise<void> {
    return this.#client.call('forgetImage', { image });
  }

  forgetChat(chat: number): Promise<void> {
    return this.#client.call('forgetChat', { chat });
  }

  async dispose(): Promise<void> {
    this.#client.cancelAll(new MclipError('DISPOSED', 'The model was disposed while this call was under way.'));
    await this.#client.call('dispose', {}).catch(() => {}); // a worker that died is disposed of
    await this.#client.idle(); // a load that was given up may be inside of native code
    await this.abandon();
  }

  abandon(): Promise<void> {
    return this.#client.terminate(new MclipError('DISPOSED', 'The model was disposed.'));
  }
}
