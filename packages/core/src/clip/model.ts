/**
 * One CLIP model on the caller's side: where its files are, on which device its graphs run, and who still uses it.
 * Classifiers and embedders share it by `retain` and `release`; the last release frees it.
 */
import { raceSignal } from '../abort.js';
import { type ResolvedSettings, resolveSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import { checkDevice, type Device } from '../model/device.js';
import { type LocatedModel, locateModel } from '../model/locate.js';
import type { Dtype, GraphName, Manifest, ManifestFile } from '../model/manifest.js';
import { clipFamily } from '../model/presets.js';
import { DownloadProgress, type OnProgress } from '../model/progress.js';
import type { DeviceName, FetchOptions, ModelFile, Platform, RuntimeSettings } from '../platform.js';
import { chooseDtype } from './choose-dtype.js';
import type { ClipEncoder, Preprocessing } from './encoder.js';
import { DEFAULT_MODEL, type ModelOptions } from './model-options.js';
import { RemoteClipEncoder } from './remote-encoder.js';

/** Texts of one run of the text graph: bounds memory and the time between two looks at the signal. */
const TEXTS_PER_RUN = 8;

interface FetchedGraph {
  /** The file: as fetched for the first device that takes it, read from the store again for every other. */
  take(): Promise<ModelFile>;
  tokenizerJson: string | null;
}

export class ClipModel {
  readonly id: string;
  readonly preprocessing: Preprocessing;
  readonly settings: ResolvedSettings;
  readonly platform: Platform;
  readonly #located: LocatedModel;
  readonly #encoder: ClipEncoder;
  readonly #startEncoder: () => Promise<ClipEncoder>;
  readonly #dtypes: Record<GraphName, Dtype>;
  readonly #asked: 'auto' | DeviceName;
  readonly #loading = new Map<GraphName, Promise<void>>();
  #device: Device | null = null;
  #users = 1;

  /**
   * Reads the manifest and starts the thread that will compute; no weights are fetched yet.
   *
   * @throws {MclipError} `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `OFFLINE`, `NETWORK`, `INVALID_ARGUMENT`, `DEVICE_UNAVAILABLE`
   */
  static async open(platform: Platform, options: ModelOptions): Promise<ClipModel> {
    const { model = DEFAULT_MODEL, device = 'auto', preprocessing = 'exact', worker = true, signal } = options;
    signal?.throwIfAborted();
    const settings = resolveSettings(options);
    if (preprocessing !== 'exact' && preprocessing !== 'fast') {
      throw new MclipError('INVALID_ARGUMENT', `preprocessing must be 'exact' or 'fast', got '${preprocessing}'.`);
    }
    checkDevice(platform, device);
    const located = await raceSignal(locateModel(platform, model, clipFamily, { settings, signal }), signal);
    const dtypes = {
      vision: chooseDtype(located, 'vision', options.dtype),
      text: chooseDtype(located, 'text', options.dtype),
    };
    const { manifest } = located;
    const runtimeSettings = platform.runtimeSettings(settings);
    const startEncoder = async () =>
      worker
        ? new RemoteClipEncoder(platform.startWorker(settings, 'clip'), manifest, runtimeSettings)
        : localEncoder(platform, manifest, runtimeSettings);
    const encoder = await startEncoder();
    return new ClipModel({ platform, settings, located, encoder, startEncoder, dtypes, device, preprocessing });
  }

  private constructor(parts: {
    platform: Platform;
    settings: ResolvedSettings;
    located: LocatedModel;
    encoder: ClipEncoder;
    startEncoder: () => Promise<ClipEncoder>;
    dtypes: Record<GraphName, Dtype>;
    device: 'auto' | DeviceName;
    preprocessing: Preprocessing;
  }) {
    this.id = parts.located.id;
    this.platform = parts.platform;
    this.settings = parts.settings;
    this.preprocessing = parts.preprocessing;
    this.#located = parts.located;
    this.#encoder = parts.encoder;
    this.#startEncoder = parts.startEncoder;
    this.#dtypes = parts.dtypes;
    this.#asked = parts.device;
  }

  get manifest() {
    return this.#located.manifest;
  }

  get device(): Device {
    if (this.#device === null) throw new MclipError('DISPOSED', 'The model has no device before a graph is loaded.');
    return this.#device;
  }

  /** SHA-256 of the file that a graph runs from, null when nobody published one. */
  async graphSha256(graph: GraphName): Promise<string | null> {
    return (await this.#located.locate(this.#file(graph))).sha256;
  }

  /**
   * Fetches and loads graphs that are not loaded yet. Calls that need the same graph share one load, which no single
   * caller's signal stops; `signal` only ends the waiting, except in the call that creates the model.
   */
  async load(
    graphs: GraphName[],
    options: { signal?: AbortSignal | undefined; onProgress?: OnProgress | undefined } = {},
  ) {
    const missing = graphs.filter((graph) => !this.#loading.has(graph));
    const stop = new AbortController();
    const stopsToo = this.#loading.size === 0 && options.signal !== undefined ? [options.signal] : [];
    const signal = AbortSignal.any([stop.signal, ...stopsToo]);
    const progress = this.#progressOf(missing, options.onProgress);
    const files = missing.map((graph) => this.#fetch(graph, progress, signal));
    for (const file of files) file.catch((error) => stop.abort(error)); // one that fails takes the others along
    // one after the other: the first to load finds the device
    let loaded: Promise<void> = Promise.resolve();
    missing.forEach((graph, index) => {
      const loading = loaded.then(() => this.#loadOnDevice(graph, files[index]!));
      this.#loading.set(graph, loading);
      loading.catch(() => this.#loading.delete(graph)); // a later call may try again
      loaded = loading;
    });
    const all = Promise.all(graphs.map((graph) => this.#loading.get(graph))).catch(async (error) => {
      await Promise.allSettled(files); // nothing is left half written when the caller hears of it
      throw error;
    });
    await raceSignal(all, options.signal);
  }

  /** [dim], L2-normalised. */
  async encodeImage(image: unknown, signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const portable = await raceSignal(this.platform.portableImage(image, { settings: this.settings, signal }), signal);
    return raceSignal(this.#encoder.encodeImage(portable, this.preprocessing, signal), signal);
  }

  /** Flat [texts, dim], each row L2-normalised. Loads the text graph on first use. */
  async encodeTexts(
    texts: string[],
    options: { signal?: AbortSignal | undefined; onProgress?: OnProgress | undefined } = {},
  ): Promise<Float32Array> {
    const { signal, onProgress } = options;
    await this.load(['text'], options);
    const { dim } = this.manifest;
    const embeddings = new Float32Array(texts.length * dim);
    for (let start = 0; start < texts.length; start += TEXTS_PER_RUN) {
      const chunk = texts.slice(start, start + TEXTS_PER_RUN);
      embeddings.set(await raceSignal(this.#encoder.encodeTexts(chunk, signal), signal), start * dim);
      onProgress?.({ phase: 'text', done: start + chunk.length, total: texts.length });
    }
    return embeddings;
  }

  /** One run on a grey picture. */
  async warmup(signal?: AbortSignal): Promise<void> {
    const { size } = this.manifest.image;
    const data = new Uint8Array(3 * size * size).fill(128);
    await this.encodeImage({ data, width: size, height: size, channels: 3 }, signal);
  }

  retain(): this {
    this.#users++;
    return this;
  }

  async release(): Promise<void> {
    if (--this.#users === 0) await this.#encoder.dispose();
  }

  #file(graph: GraphName): ManifestFile {
    return this.manifest.graphs[graph].files[this.#dtypes[graph]]!;
  }

  /** Over all graphs, whose sizes are known before the first byte is fetched. */
  async #progressOf(graphs: GraphName[], onProgress: OnProgress | undefined): Promise<DownloadProgress> {
    const files = graphs.map((graph) => this.#file(graph));
    const located = await Promise.all(files.map((file) => this.#located.locate(file)));
    return new DownloadProgress(
      onProgress,
      files.map(({ file }, index) => ({ file, bytes: located[index]!.bytes })),
    );
  }

  async #fetch(
    graph: GraphName,
    progress: Promise<DownloadProgress>,
    signal: AbortSignal | undefined,
  ): Promise<FetchedGraph> {
    const { settings, platform } = this;
    const file = this.#file(graph);
    const onBytes = (await progress).of(file.file);
    const tokenizerFile =
      graph === 'text' && this.manifest.text.tokenizer !== 'clip' ? this.manifest.text.tokenizer : null;
    const tokenizerAt =
      tokenizerFile &&
      (await this.#located.locate({ file: tokenizerFile.file, bytes: null, sha256: tokenizerFile.sha256 }));
    const fetchGraph = async (options: Omit<FetchOptions, 'settings'>) =>
      platform.fetchFile(await this.#located.locate(file), { settings, ...options });
    const [modelFile, tokenizerJson] = await Promise.all([
      fetchGraph({ signal, onBytes }),
      tokenizerAt && platform.fetchText(tokenizerAt.url, { ...tokenizerAt, settings, signal, keep: true }),
    ]);
    if (tokenizerAt !== null && tokenizerJson === null) {
      throw new MclipError('MODEL_NOT_FOUND', `The manifest's tokenizer does not exist: ${tokenizerAt.url}.`);
    }
    let fetched: ModelFile | null = modelFile;
    const take = async () => {
      const taken = fetched ?? fetchGraph({});
      fetched = null; // its bytes are moved to the worker
      return taken;
    };
    return { take, tokenizerJson };
  }

  /** The graph that is loaded first finds the device. */
  async #loadOnDevice(graph: GraphName, fetched: Promise<FetchedGraph>): Promise<void> {
    const { placeGraph } = await import('./place-graph.js');
    this.#device = await placeGraph({
      ...(await fetched),
      platform: this.platform,
      settings: this.settings,
      manifest: this.manifest,
      graph,
      dtype: this.#dtypes[graph],
      file: await this.#located.locate(this.#file(graph)),
      asked: this.#asked,
      current: this.#device,
      encoder: this.#encoder,
      startEncoder: this.#startEncoder,
    });
  }
}

/** Imported when asked for: with a worker, its code is the worker's. */
async function localEncoder(platform: Platform, manifest: Manifest, settings: RuntimeSettings): Promise<ClipEncoder> {
  const [runtime, { LocalClipEncoder }] = await Promise.all([platform.loadRuntime(settings), import('./encoder.js')]);
  return new LocalClipEncoder(runtime, manifest, settings);
}
