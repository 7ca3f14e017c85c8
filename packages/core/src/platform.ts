/**
 * What an adapter (`@mclip/node`, `@mclip/web`) gives to core: it constructs sessions, decoded images, stored bytes
 * and workers, and nothing else. `Platform` is used on the caller's thread, `Runtime` on the thread that computes:
 * the same one with `worker: false`, a worker's otherwise.
 */
import type { InferenceSession, TensorConstructor } from 'onnxruntime-common';
import type { ResolvedSettings } from './configure.js';
import type { Size } from './image/geometry.js';
import type { PixelReader } from './image/pixel-reader.js';
import type { Region } from './image/region.js';
import type { Dtype } from './model/manifest.js';

/** A raw onnxruntime session of any build. Its class is never tested: builds carry their own copies. */
export type Session = Pick<InferenceSession, 'run' | 'inputNames' | 'outputNames' | 'inputMetadata' | 'release'>;

export type DeviceName = 'cpu' | 'cuda' | 'coreml' | 'dml' | 'webgpu' | 'wasm';

/** A model file as a session takes it: a path (Node) or its bytes. */
export type ModelFile = string | Uint8Array | Blob | SplitFile;

/** Of bytes: a graph and the weights that it has in a file beside it. */
export interface SplitFile {
  graph: Uint8Array | Blob;
  data: Uint8Array | Blob;
  /** The file of the weights, as the graph names it. */
  path: string;
}

/** An image that can cross to a worker. `native` holds what only that platform's decoder knows (an `ImageBitmap`). */
export interface PortableImage {
  source:
    | { kind: 'path'; path: string }
    | { kind: 'bytes'; bytes: Uint8Array /** Where they are from, for errors. */; name?: string }
    | { kind: 'blob'; blob: Blob }
    | { kind: 'pixels'; data: Uint8Array | Uint8ClampedArray; width: number; height: number; channels: number }
    | { kind: 'native'; image: unknown };
  region?: Region;
}

export interface DecodeOptions {
  maxPixels: number;
  /** Given the size of the picture, the size that all of it will be resized to; unknown for regions. */
  scaledSize?: (width: number, height: number) => Size;
  /** The decoder may scale it to that size by its own means. */
  fast?: boolean;
}

export interface SessionOptions {
  device: DeviceName;
  /** CPU and wasm threads. */
  numThreads: number;
  /** Of the file, which is made into what the device computes faster (onnx/on-cpu.ts). */
  dtype?: Dtype;
  /** Told how such a file is computed, and why not faster. */
  onNote?: (note: string) => void;
  /** Outputs that stay where they were computed (a GPU's memory), since they are fed back to the next run. */
  keepOnDevice?: readonly string[];
  /** Of this output, [batch, positions, values], only the last position is wanted: no other is computed where that can be. */
  lastOf?: string;
  /** Less memory rather than speed: weights stay in the layout they come in. */
  lean?: boolean;
}

/** A file of which parts are read. */
export interface RandomAccess {
  /** Bytes. */
  readonly size: number;
  /** Fills `target` with the bytes from `position` on. */
  read(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** What the computing half needs to know: plain data, since it crosses to a worker. */
export interface RuntimeSettings {
  maxPixels: number;
  /** Web: absolute URL of each file of onnxruntime that is not where the bundler put it, by file name. */
  wasmUrls?: Record<string, string>;
  /** Web: where onnxruntime's modules are on a page without a bundler, whose import map a worker does not see. */
  moduleUrls?: Record<string, string>;
}

/** The computing half of an adapter. */
export interface Runtime {
  /**
   * The class of tensors that its CPU sessions write outputs to, when they are given in `fetches`; others are passed over
   * in silence. Absent where the runtime's memory is not the caller's.
   */
  OutputTensor?: TensorConstructor;
  createSession(file: ModelFile, options: SessionOptions): Promise<Session>;
  openFile(file: ModelFile): Promise<RandomAccess>;
  /**
   * Pixels with EXIF orientation applied, colours in sRGB, alpha composited on white. The region is not cut here, and a
   * `native` image stays open.
   */
  decodeImage(image: PortableImage['source'], options: DecodeOptions): Promise<PixelReader>;
}

/** What a worker computes: each has a script of its own, so that an app carries what it uses. */
export type WorkerTask = 'clip' | 'vlm';

/** A worker as core talks to it. `hold` keeps the process alive while calls are pending, `release` lets it exit. */
export interface WorkerPort {
  post(message: unknown, transfer: Transferable[]): void;
  onMessage(listener: (message: unknown) => void): void;
  /** The worker is gone: crashed, terminated, or it could not start. */
  onExit(listener: (reason: Error) => void): void;
  hold(): void;
  release(): void;
  terminate(): Promise<void>;
}

export interface FetchedFile {
  url: string;
  /** Expected size and hash; null where nobody has published them. */
  bytes: number | null;
  sha256: string | null;
  /** The model it belongs to. */
  model?: string;
}

export interface FetchOptions {
  settings: ResolvedSettings;
  signal?: AbortSignal | undefined;
  onBytes?: ((loadedBytes: number, totalBytes: number | null) => void) | undefined;
}

export interface TextOptions extends FetchOptions, Partial<Omit<FetchedFile, 'url'>> {
  /** What was fetched once is not asked for again. */
  keep?: boolean;
}

/** Frames of a video, newest first: those that nobody takes in time are dropped. */
export interface FrameSource {
  /**
   * The newest frame that was not taken yet, waiting for one if need be; null at the end of the video. The frame is
   * owned by whoever takes it; its `close`, where it has one, frees it.
   */
  next(): Promise<unknown>;
  /** Stops reading; the video itself goes on. Idempotent. */
  close(): void;
}

/** What is known of a device before anything is loaded on it. */
export interface DeviceFacts {
  /** Changes when its answers might: with the browser, the adapter or its driver. */
  identity: string;
  /** It computes in half precision (`shader-f16`). */
  half: boolean;
  /** Why `device: 'auto'` leaves it out (there is none, or it is emulated in software); null: nothing speaks against it. */
  unfit: string | null;
  /** Memory of the machine, as far as it tells. */
  memoryBytes: number | null;
}

/** The caller's half of an adapter. */
export interface Platform {
  /** Devices that `device: 'auto'` considers, best first. */
  autoDevices(): DeviceName[];
  deviceFacts(device: DeviceName): Promise<DeviceFacts>;
  /** Everything that can be asked for by name on this platform. */
  supportedDevices: readonly DeviceName[];
  /** Threads that a session on `device` will have, and why not more; null when nothing holds them back. */
  threads(device: DeviceName, settings: ResolvedSettings): { count: number; limitedBy: string | null };
  /** What the computing half is told, with functions and secrets left out and URLs made absolute. */
  runtimeSettings(settings: ResolvedSettings): RuntimeSettings;
  /** Loads the runtime into this thread, for `worker: false`. */
  loadRuntime(settings: RuntimeSettings): Promise<Runtime>;
  /** False where a thread cannot start workers (service workers): everything is computed on it. */
  hasWorkers(): boolean;
  startWorker(settings: ResolvedSettings, task: WorkerTask): WorkerPort;
  /** A base URL, ending in '/', for a model given as a folder or relative URL; null when `model` is neither. */
  localModelUrl(model: string): string | null;
  /** Small text files: manifests, hub listings, tokenizers. Null when the file does not exist. */
  fetchText(url: string, options: TextOptions): Promise<string | null>;
  /** A model file, verified against size and hash where they are known, from the local store when it is there. */
  fetchFile(file: FetchedFile, options: FetchOptions): Promise<ModelFile>;
  /** Resolves paths and URLs on this side, so that the worker needs neither; checks what it can without decoding. */
  portableImage(image: unknown, options: FetchOptions): Promise<PortableImage>;
  /** @throws {MclipError} `INVALID_ARGUMENT` for what is not a video here. */
  openFrames(video: unknown): Promise<FrameSource>;
  /**
   * Small vectors kept between processes: embeddings of labels, results of self-checks. Failures to read or write are
   * not errors.
   */
  readEmbeddings(keys: string[], settings: ResolvedSettings): Promise<(Float32Array | null)[]>;
  writeEmbeddings(entries: [key: string, embedding: Float32Array][], settings: ResolvedSettings): Promise<void>;
}
