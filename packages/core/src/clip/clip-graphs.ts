/** The graphs of one CLIP model: fetched, and loaded on a device that proves itself. */
import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import type { Candidates } from '../model/auto-devices.js';
import type { Device } from '../model/device.js';
import { fetchGraph } from '../model/fetch-graph.js';
import type { Host, Restart } from '../model/host.js';
import type { LocatedModel } from '../model/locate.js';
import type { Dtype, GraphName, ManifestFile } from '../model/manifest.js';
import type { DownloadProgress, OnProgress } from '../model/progress.js';
import type { DeviceName, FetchOptions, ModelFile, Platform } from '../platform.js';
import type { ClipEncoder } from './encoder.js';
import { placeGraph } from './place-graph.js';

export interface ClipParts {
  platform: Platform;
  settings: ResolvedSettings;
  located: LocatedModel;
  dtypes: Record<GraphName, Dtype>;
  asked: 'auto' | DeviceName;
  benchmark: boolean;
  startEncoder(): Promise<ClipEncoder>;
}

interface FetchedGraph {
  /** The file: as fetched for the first device that takes it, read from the store again for every other. */
  take(): Promise<ModelFile>;
  tokenizerJson: string | null;
}

export class ClipGraphs {
  /** Where they run; null: nothing is loaded yet. */
  device: Device | null = null;
  readonly #parts: ClipParts;
  readonly #host: Host<ClipEncoder>;
  readonly #loading = new Map<GraphName, Promise<void>>();
  readonly #loaded = new Set<GraphName>();
  readonly #fetching = new Set<Promise<unknown>>();
  readonly #ending = new AbortController();

  constructor(parts: ClipParts, host: Host<ClipEncoder>) {
    this.#parts = parts;
    this.#host = host;
  }

  /**
   * Fetches and loads graphs that are not loaded yet. Calls that need the same graph share one load, which stops when
   * nobody uses the model any more.
   */
  async load(graphs: GraphName[], onProgress: OnProgress | undefined): Promise<void> {
    const missing = graphs.filter((graph) => !this.#loading.has(graph));
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#ending.signal]);
    const progress =
      onProgress &&
      import('../model/progress.js').then((progress) =>
        progress.progressOver(
          this.#parts.located,
          missing.map((graph) => this.#file(graph)),
          onProgress,
        ),
      );
    const files = missing.map((graph) => this.#fetch(graph, signal, progress));
    for (const file of files) {
      this.#fetching.add(file);
      file.catch((error) => stop.abort(error)).finally(() => this.#fetching.delete(file)); // one that fails takes the others along
    }
    // one after the other: the first to load finds the device
    let loaded: Promise<void> = Promise.resolve();
    missing.forEach((graph, index) => {
      const loading = loaded.then(() =>
        this.#host.run(async (encoder) => {
          this.device = await this.#place(encoder, graph, await files[index]!, { current: this.device });
          this.#loaded.add(graph);
        }),
      );
      this.#loading.set(graph, loading);
      loading.catch(() => this.#loading.delete(graph)); // a later call may try again
      loaded = loading;
    });
    await Promise.all(graphs.map((graph) => this.#loading.get(graph))).catch(async (error) => {
      await Promise.allSettled(files); // nothing is left half written when the caller hears of it
      throw error;
    });
  }

  /** What was loaded, in another encoder, and perhaps on another device. */
  async restart(restart: Restart<ClipEncoder>): Promise<ClipEncoder> {
    const again = await import('../model/run-again.js');
    const { signal } = this.#ending;
    signal.throwIfAborted();
    const { platform, asked, startEncoder } = this.#parts;
    const before = this.device;
    const candidates = before && again.remaining(before, asked, platform.autoDevices(), restart);
    const encoder = await startEncoder();
    try {
      let device: Device | null = null;
      for (const graph of this.#loaded) {
        const fetched = await this.#fetch(graph, signal);
        device = await this.#place(encoder, graph, fetched, { current: device, ...(candidates && { candidates }) });
      }
      this.device = device ?? before;
      return encoder;
    } catch (error) {
      await encoder.dispose();
      throw error;
    }
  }

  /** Stops what is under way, and waits until nothing is left half written. */
  async end(): Promise<void> {
    this.#ending.abort(new MclipError('DISPOSED', 'The model was disposed while it was loading.'));
    await Promise.allSettled(this.#fetching);
  }

  #file(graph: GraphName): ManifestFile {
    const { located, dtypes } = this.#parts;
    return located.manifest.graphs[graph].files[dtypes[graph]]!;
  }

  async #fetch(graph: GraphName, signal: AbortSignal, progress?: Promise<DownloadProgress>): Promise<FetchedGraph> {
    const { settings, platform, located } = this.#parts;
    const { tokenizer } = located.manifest.text;
    const file = this.#file(graph);
    const shown = await progress;
    const tokenizerFile = graph === 'text' && tokenizer !== 'clip' ? tokenizer : null;
    const tokenizerAt =
      tokenizerFile && (await located.locate({ file: tokenizerFile.file, bytes: null, sha256: tokenizerFile.sha256 }));
    const fetchOnce = (options: (one: ManifestFile) => Omit<FetchOptions, 'settings'>) =>
      fetchGraph(file, async (one) => platform.fetchFile(await located.locate(one), { settings, ...options(one) }));
    const [modelFile, tokenizerJson] = await Promise.all([
      fetchOnce((one) => ({ signal, onBytes: shown?.of(one.file) })),
      tokenizerAt && platform.fetchText(tokenizerAt.url, { ...tokenizerAt, settings, signal, keep: true }),
    ]);
    if (tokenizerAt !== null && tokenizerJson === null) {
      throw new MclipError('MODEL_NOT_FOUND', `The manifest's tokenizer does not exist: ${tokenizerAt.url}.`);
    }
    let fetched: ModelFile | null = modelFile;
    const take = async () => {
      const taken = fetched ?? fetchOnce(() => ({}));
      fetched = null; // its bytes are moved to the worker
      return taken;
    };
    return { take, tokenizerJson };
  }

  /** The graph that is loaded first finds the device. */
  async #place(
    encoder: ClipEncoder,
    graph: GraphName,
    fetched: FetchedGraph,
    where: { current: Device | null; candidates?: Candidates },
  ): Promise<Device> {
    return placeGraph({
      ...fetched,
      ...where,
      ...this.#parts,
      manifest: this.#parts.located.manifest,
      graph,
      dtype: this.#parts.dtypes[graph],
      file: await this.#parts.located.locate(this.#file(graph)),
      encoder,
    });
  }
}
