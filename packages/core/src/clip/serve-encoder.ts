/** The worker's side of a `RemoteClipEncoder`. Apart from it, so that a page with a worker does not carry the encoder. */
import type { Manifest } from '../model/manifest.js';
import type { Runtime, RuntimeSettings } from '../platform.js';
import { type ServerPort, serve } from '../worker/channel.js';
import { type EncodableImage, type LoadRequest, LocalClipEncoder, type Preprocessing } from './encoder.js';

export function serveClipEncoder(port: ServerPort, loadRuntime: (settings: RuntimeSettings) => Promise<Runtime>): void {
  let encoder: Promise<LocalClipEncoder>;
  serve(port, {
    async open({ manifest, settings }: { manifest: Manifest; settings: RuntimeSettings }) {
      encoder = loadRuntime(settings).then((runtime) => new LocalClipEncoder(runtime, manifest, settings));
      await encoder;
      return { result: null };
    },
    async load(request: LoadRequest) {
      return { result: await (await encoder).load(request) };
    },
    async encodeImage({ image, preprocessing }: { image: EncodableImage; preprocessing: Preprocessing }, signal) {
      const answer = await (await encoder).encodeImage(image, preprocessing, signal);
      return answer instanceof Float32Array ? moved(answer) : { result: answer };
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
