/** A `ClipEncoder` that lives in a worker, where `serveClipEncoder` answers. */
import { MclipError } from '../errors.js';
import type { Manifest } from '../model/manifest.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { RuntimeSettings, WorkerPort } from '../platform.js';
import { WorkerClient } from '../worker/channel.js';
import { ownedBytes, ownedParts } from '../worker/owned-parts.js';
import type { ClipEncoder, EncodableImage, LoadRequest, LostImage, Preprocessing } from './encoder.js';

export class RemoteClipEncoder implements ClipEncoder {
  readonly #client: WorkerClient;
  readonly #opened: Promise<void>;
  #started = false;

  constructor(port: WorkerPort, manifest: Manifest, settings: RuntimeSettings) {
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

  async load(request: LoadRequest): Promise<LoadAnswer> {
    await this.#opened;
    return this.#client.call('load', request, undefined, ownedBytes(request.file));
  }

  encodeImage(image: EncodableImage, preprocessing: Preprocessing, signal?: AbortSignal) {
    const owned = image instanceof Float32Array ? [] : ownedParts(image);
    return this.#client.call<Float32Array | LostImage>('encodeImage', { image, preprocessing }, signal, owned);
  }

  encodeTexts(texts: string[], signal?: AbortSignal): Promise<Float32Array> {
    return this.#client.call('encodeTexts', { texts }, signal);
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
