/** A `ClipEncoder` that lives in a worker, where `serveClipEncoder` answers. */
import type { Manifest } from '../model/manifest.js';
import type { LoadAnswer } from '../model/self-check.js';
import type { RuntimeSettings, WorkerPort } from '../platform.js';
import { ownedBytes, ownedParts } from '../worker/owned-parts.js';
import { RemoteComputing } from '../worker/remote-computing.js';
import type { ClipEncoder, EncodableImage, LoadRequest, LostImage, Preprocessing } from './encoder.js';

export class RemoteClipEncoder extends RemoteComputing implements ClipEncoder {
  constructor(port: WorkerPort, manifest: Manifest, settings: RuntimeSettings) {
    super(port, { manifest, settings });
  }

  async load(request: LoadRequest): Promise<LoadAnswer> {
    await this.opened;
    return this.client.call('load', request, undefined, ownedBytes(request.file));
  }

  encodeImage(image: EncodableImage, preprocessing: Preprocessing, signal?: AbortSignal) {
    const owned = image instanceof Float32Array ? [] : ownedParts(image);
    return this.client.call<Float32Array | LostImage>('encodeImage', { image, preprocessing }, signal, owned);
  }

  encodeTexts(texts: string[], signal?: AbortSignal): Promise<Float32Array> {
    return this.client.call('encodeTexts', { texts }, signal);
  }
}
