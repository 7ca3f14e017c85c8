/** The worker's side of a `RemoteVlmEngine`. Apart from it, so that a page with a worker does not carry the engine. */
import type { Runtime, RuntimeSettings, SessionOptions } from '../platform.js';
import { type ServerPort, serve } from '../worker/channel.js';
import type { EncodeRequest, Features, QuestionRequest, VlmLoadRequest } from './engine.js';
import { LocalVlmEngine } from './local-engine.js';
import type { ServedGenerateRequest } from './remote-engine.js';
import type { VlmManifest } from './vlm-manifest.js';

export function serveVlmEngine(port: ServerPort, loadRuntime: (settings: RuntimeSettings) => Promise<Runtime>): void {
  let engine: Promise<LocalVlmEngine>;
  serve(port, {
    async open({ manifest, settings }: { manifest: VlmManifest; settings: RuntimeSettings }) {
      engine = loadRuntime(settings).then((runtime) => new LocalVlmEngine(runtime, manifest, settings));
      await engine;
      return { result: null };
    },
    async load(request: VlmLoadRequest) {
      return { result: await (await engine).load(request) };
    },
    async kernelSpeed(options: SessionOptions) {
      return { result: await (await engine).kernelSpeed(options) };
    },
    async visionMs({ size }: { size: number }) {
      return { result: await (await engine).visionMs(size) };
    },
    async encodeImage(request: EncodeRequest, signal) {
      return { result: await (await engine).encodeImage(request, signal) };
    },
    async addImage(picture: Features) {
      return { result: await (await engine).addImage(picture) };
    },
    async generate({ silent, ...request }: ServedGenerateRequest, signal, emit) {
      return { result: await (await engine).generate(request, silent ? null : emit, signal) };
    },
    async score(request: QuestionRequest & { options: readonly string[] }, signal) {
      return { result: await (await engine).score(request, signal) };
    },
    async forgetImage({ image }: { image: number }) {
      return { result: await (await engine).forgetImage(image) };
    },
    async forgetChat({ chat }: { chat: number }) {
      return { result: await (await engine).forgetChat(chat) };
    },
    async dispose() {
      return { result: await (await engine).dispose() };
    },
  });
}
