/**
 * One CLIP model on the caller's side: where its files are, on which device its graphs run, and who still uses it.
 * Classifiers and embedders share it by `retain` and `release`; the last release frees it.
 */
import { raceSignal } from '../abort.js';
import { type ResolvedSettings, resolveSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import { checkDevice, type Device } from '../model/device.js';
import { canBeReadAgain, Host, LostRun } from '../model/host.js';
import { locateModel } from '../model/locate.js';
import type { GraphName, Manifest } from '../model/manifest.js';
import type { OnProgress } from '../model/progress.js';
import { shared, sharingKey, unshare } from '../model/sharing.js';
import type { Platform, RuntimeSettings } from '../platform.js';
import { chooseDtype } from './choose-dtype.js';
import { clipFamily } from './clip-family.js';
import { ClipGraphs, type ClipParts } from './clip-graphs.js';
import type { ClipEncoder, Preprocessing } from './encoder.js';
import { DEFAULT_MODEL, type ModelOptions } from './model-options.js';
import { RemoteClipEncoder } from './remote-encoder.js';

/** Texts of one run of the text graph: bounds memory and the time between two looks at the signal. */
const TEXTS_PER_RUN = 8;

export interface LoadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

export class ClipModel {
  readonly id: string;
  readonly preprocessing: Preprocessing;
  readonly settings: ResolvedSettings;
  readonly platform: Platform;
  readonly #parts: ClipParts;
  readonly #key: string;
  readonly #host: Host<ClipEncoder>;
  readonly #graphs: ClipGraphs;
  #users = 1;

  /**
   * Reads the manifest and starts the thread that will compute; no weights are fetched yet. A model that is in use
   * with the same options is shared.
   *
   * @throws {MclipError} `MODEL_NOT_FOUND`, `MODEL_CORRUPT`, `OFFLINE`, `NETWORK`, `INVALID_ARGUMENT`, `DEVICE_UNAVAILABLE`
   */
  static async open(platform: Platform, options: ModelOptions): Promise<ClipModel> {
    const settings = resolveSettings(options);
    const {
      model = DEFAULT_MODEL,
      device = 'auto',
      preprocessing = 'exact',
      worker = true,
      benchmark = false,
      signal,
    } = options;
    signal?.throwIfAborted();
    checkDevice(platform, device);
    const located = await raceSignal(locateModel(platform, model, clipFamily, { settings, signal }), signal);
    const dtypes = {
      vision: chooseDtype(located, 'vision', options.dtype, device),
      text: chooseDtype(located, 'text', options.dtype, device),
    };
    const { manifest } = located;
    // a folder may be named relative to a place that changes
    const spec = typeof model === 'string' ? (platform.localModelUrl(model) ?? model) : model;
    const key = sharingKey(spec, settings, manifest, dtypes, device, preprocessing, worker, benchmark);
    const runtimeSettings = platform.runtimeSettings(settings);
    const startEncoder = async () =>
      worker && platform.hasWorkers()
        ? new RemoteClipEncoder(platform.startWorker(settings, 'clip'), manifest, runtimeSettings)
        : localEncoder(platform, manifest, runtimeSettings);
    const parts = { platform, settings, located, dtypes, asked: device, benchmark, startEncoder };
    return shared(platform, key, () => new ClipModel(parts, preprocessing, key));
  }

  private constructor(parts: ClipParts, preprocessing: Preprocessing, key: string) {
    this.id = parts.located.id;
    this.platform = parts.platform;
    this.settings = parts.settings;
    this.preprocessing = preprocessing;
    this.#parts = parts;
    this.#key = key;
    this.#host = new Host(parts.startEncoder(), (restart) => this.#graphs.restart(restart));
    this.#graphs = new ClipGraphs(parts, this.#host);
  }

  get manifest() {
    return this.#parts.located.manifest;
  }

  get device(): Device {
    const { device } = this.#graphs;
    if (device === null) throw new MclipError('DISPOSED', 'The model has no device before a graph is loaded.');
    return device;
  }

  /** SHA-256 of the file that a graph runs from, null when nobody published one. */
  async graphSha256(graph: GraphName): Promise<string | null> {
    const { located, dtypes } = this.#parts;
    return (await located.locate(this.manifest.graphs[graph].files[dtypes[graph]]!)).sha256;
  }

  /**
   * Fetches and loads graphs that are not loaded yet. Calls that need the same graph share one load; `signal` ends the
   * waiting, and the load itself stops when nobody uses the model any more.
   */
  async load(graphs: GraphName[], { signal, onProgress }: LoadOptions = {}): Promise<void> {
    await raceSignal(this.#graphs.load(graphs, onProgress), signal);
  }

  /** [dim], L2-normalised. */
  async encodeImage(image: unknown, signal?: AbortSignal): Promise<Float32Array> {
    signal?.throwIfAborted();
    const portable = () => this.platform.portableImage(image, { settings: this.settings, signal });
    const first = portable(); // now: the caller may go on drawing
    first.catch(() => {}); // reported below
    const encode = async (encoder: ClipEncoder, before: MclipError | null) => {
      const source = before instanceof LostRun ? before.kept : await (before === null ? first : portable());
      const answer = await encoder.encodeImage(source, this.preprocessing, signal);
      if (answer instanceof Float32Array) return answer;
      throw new LostRun(answer.why, answer.pixelValues);
    };
    return raceSignal(
      this.#host.run(encode, () => canBeReadAgain(image)),
      signal,
    );
  }

  /** Flat [texts, dim], each row L2-normalised. Loads the text graph on first use. */
  async encodeTexts(texts: string[], options: LoadOptions = {}): Promise<Float32Array> {
    const { signal, onProgress } = options;
    await this.load(['text'], options);
    const { dim } = this.manifest;
    const embeddings = new Float32Array(texts.length * dim);
    for (let start = 0; start < texts.length; start += TEXTS_PER_RUN) {
      const chunk = texts.slice(start, start + TEXTS_PER_RUN);
      const encode = (encoder: ClipEncoder) => encoder.encodeTexts(chunk, signal);
      embeddings.set(await raceSignal(this.#host.run(encode), signal), start * dim);
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
    if (--this.#users > 0) return;
    unshare(this.platform, this.#key);
    await this.#graphs.end();
    const encoder = await this.#host.engine.catch(() => null);
    await encoder?.dispose();
  }
}

/** Imported when asked for: with a worker, its code is the worker's. */
async function localEncoder(platform: Platform, manifest: Manifest, settings: RuntimeSettings): Promise<ClipEncoder> {
  const [runtime, { LocalClipEncoder }] = await Promise.all([platform.loadRuntime(settings), import('./encoder.js')]);
  return new LocalClipEncoder(runtime, manifest, settings);
}
