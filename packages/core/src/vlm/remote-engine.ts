/** A `VlmEngine` that lives in a worker, where `serveVlmEngine` answers. */
import type { LoadAnswer } from '../model/self-check.js';
import type { RuntimeSettings, SessionOptions, WorkerPort } from '../platform.js';
import { ownedBytes, ownedParts } from '../worker/owned-parts.js';
import { RemoteComputing } from '../worker/remote-computing.js';
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
import type { KernelSpeed } from './kernel-speed.js';
import type { VlmManifest } from './vlm-manifest.js';

export interface ServedGenerateRequest extends GenerateRequest {
  /** Nobody listens to the text. */
  silent: boolean;
}

export class RemoteVlmEngine extends RemoteComputing implements VlmEngine {
  constructor(port: WorkerPort, manifest: VlmManifest, settings: RuntimeSettings) {
    super(port, { manifest, settings });
  }

  async load(request: VlmLoadRequest): Promise<LoadAnswer> {
    await this.opened;
    const { vision, decoder, rows } = request;
    const files = [vision, decoder, 'graph' in rows ? rows.graph : rows.file];
    return this.client.call('load', request, undefined, files.flatMap(ownedBytes));
  }

  async kernelSpeed(options: SessionOptions): Promise<KernelSpeed> {
    await this.opened;
    return this.client.call('kernelSpeed', options);
  }

  visionMs(size: number): Promise<number> {
    return this.client.call('visionMs', { size });
  }

  encodeImage(request: EncodeRequest, signal?: AbortSignal): Promise<(Features & EncodeTimings) | LostPicture> {
    const { source } = request;
    return this.client.call('encodeImage', request, signal, source instanceof Float32Array ? [] : ownedParts(source));
  }

  addImage(picture: Features): Promise<void> {
    return this.client.call('addImage', picture);
  }

  generate(
    request: GenerateRequest,
    onText: ((delta: string) => void) | null,
    signal?: AbortSignal,
  ): Promise<Answered> {
    const args: ServedGenerateRequest = { ...request, silent: onText === null }; // a message would wake this thread for every token
    return this.client.call('generate', args, signal, [], (delta) => onText?.(delta as string));
  }

  score(request: QuestionRequest & { options: readonly string[] }, signal?: AbortSignal): Promise<number[]> {
    return this.client.call('score', request, signal);
  }

  forgetImage(image: number): Promise<void> {
    return this.client.call('forgetImage', { image });
  }

  forgetChat(chat: number): Promise<void> {
    return this.client.call('forgetChat', { chat });
  }
}
