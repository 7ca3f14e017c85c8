/** A `ClipEncoder` that lives in a worker, and the worker's side of it. */
import { MclipError } from '../errors.js';
import type { Manifest } from '../model/manifest.js';
import type { PortableImage, Runtime, RuntimeSettings, WorkerPort } from '../platform.js';
import { type ServerPort, serve, WorkerClient } from '../worker/channel.js';
import { type ClipEncoder, type LoadRequest, LocalClipEncoder, type Preprocessing } from './encoder.js';

export class RemoteClipEncoder implements ClipEncoder {
  readonly #client: WorkerClient;
  readonly #opened: Promise<void>;

  constructor(port: WorkerPort, manifest: Manifest, settings: RuntimeSettings) {
    this.#client = new WorkerClient(port);
    this.#opened = this.#client.call('open', { manifest, settings });
    this.#opened.catch(() => {}); // reported by the first load
  }

  async load(request: LoadRequest): Promise<void> {
    await this.#opened;
    const { file } = request;
    await this.#client.call('load', request, undefined, file instanceof Uint8Array ? [file.buffer as ArrayBuffer] : []);
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

/** Buffers and bitmaps are copies made by `portableImage`, so they are moved; the caller's own are never detached. */
function ownedParts({ source }: PortableImage): Transferable[] {
  if (source.kind === 'bytes') return [source.bytes.buffer as ArrayBuffer];
  if (source.kind === 'pixels') return [source.data.buffer as ArrayBuffer];
  if (source.kind === 'native') return [source.image as Transferable];
  return [];
}

/** Serves a `RemoteClipEncoder` from inside a worker. */
export function serveClipEncoder(port: ServerPort, loadRuntime: (settings: RuntimeSettings) => Promise<Runtime>): void {
  let encoder: Promise<LocalClipEncoder>;
  serve(port, {
    async open({ manifest, settings }: { manifest: Manifest; settings: RuntimeSettings }) {
      encoder = loadRuntime(settings).then((runtime) => new LocalClipEncoder(runtime, manifest, settings));
      await encoder;
      return { result: null };
    },
    async load(request: LoadRequest) {
      await (await encoder).load(request);
      return { result: null };
    },
    async encodeImage({ image, preprocessing }: { image: PortableImage; preprocessing: Preprocessing }, signal) {
      return moved(await (await encoder).encodeImage(image, preprocessing, signal));
    },
    async encodeTexts({ texts }: { texts: string[] }, signal) {
      return moved(await (await encoder).encodeTexts(texts, signal));
    },
    async dispose() {
      await (await encoder).dispose();
      return { result: null };
    },
  });
}

const moved = (embeddings: Float32Array) => ({ result: embeddings, transfer: [embeddings.buffer as ArrayBuffer] });
