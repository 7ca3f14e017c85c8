/** A `ClipEncoder` that lives in a worker, where `serveClipEncoder` answers. */
import { MclipError } from '../errors.js';
import type { Manifest } from '../model/manifest.js';
import type { PortableImage, RuntimeSettings, WorkerPort } from '../platform.js';
import { WorkerClient } from '../worker/channel.js';
import { ownedBytes, ownedParts } from '../worker/owned-parts.js';
import type { ClipEncoder, LoadRequest, Preprocessing } from './encoder.js';

export class RemoteClipEncoder implements ClipEncoder {
  readonly #client: WorkerClient;
  readonly #opened: Promise<void>;

  constructor(port: WorkerPort, manifest: Manifest, settings: RuntimeSettings) {
    this.#client = new WorkerClient(port);
    this.#opened = this.#client.call('open', { manifest, settings });
    this.#opened.catch(() => {}); // reported by the first load
  }

  async load(request: LoadRequest): Promise<Float32Array | null> {
    await this.#opened;
    return this.#client.call('load', request, undefined, ownedBytes(request.file));
  }

  encodeImage(image: PortableImage, preprocessing: Preprocessing, signal?: AbortSignal): Promise<Float32Array> {
    return this.#client.call('encodeImage', { image, preprocessing }, signal, ownedParts(image));
  }

  encodeTexts(texts: string[], signal?: AbortSignal): Promise<Float32Array> {
    return this.#client.call('encodeTexts', { texts }, signal);
  }

  async dispose(): Promise<void> {
    this.#client.cancelAll(new MclipError('DISPOSED', 'The model was disposed while this call was under way.'));
    await this.#client.call('dispose', {}).catch(() => {}); // a worker that died is disposed of
    await this.#client.terminate(new MclipError('DISPOSED', 'The model was disposed.'));
  }
}
