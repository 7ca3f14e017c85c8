/** One vision-language model on the caller's side: where its files are, on which device it runs, what is under way. */
import { raceSignal } from '../abort.js';
import { type ResolvedSettings, resolveSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import { checkDevice, type Device } from '../model/device.js';
import { Host, LostRun, type Restart } from '../model/host.js';
import { type LocatedModel, locateModel } from '../model/locate.js';
import type { Platform, PortableImage, RuntimeSettings } from '../platform.js';
import {
  CAPTION_OPTIONS,
  type CaptionerOptions,
  DEFAULT_CAPTIONER,
  type ViewOptions,
  viewOf,
} from './captioner-options.js';
import type { EncodeTimings, Features, VlmEngine } from './engine.js';
import { placeVlm } from './place-vlm.js';
import { RemoteVlmEngine } from './remote-engine.js';
import { vlmFamily } from './vlm-family.js';
import type { VlmManifest } from './vlm-manifest.js';

export class VlmModel {
  readonly manifest: VlmManifest;
  readonly platform: Platform;
  engine: VlmEngine;
  device: Device;
  readonly #parts: Parts;
  readonly #options: CaptionerOptions;
  readonly #host: Host<VlmEngine>;
  readonly #settings: ResolvedSettings;
  readonly #disposing = new AbortController();
  #lastNumber = 0;
  #size: Promise<number> | null = null;

  /** @throws {MclipError} as `createCaptioner` */
  static async open(platform: Platform, options: CaptionerOptions): Promise<VlmModel> {
    const settings = resolveSettings(options, CAPTION_OPTIONS);
    const { model = DEFAULT_CAPTIONER, device = 'auto', worker = true, signal } = options;
    signal?.throwIfAborted();
    checkDevice(platform, device);
    const located = await raceSignal(locateModel(platform, model, vlmFamily, { settings, signal }), signal);
    const runtimeSettings = platform.runtimeSettings(settings);
    const startEngine = async () =>
      worker && platform.hasWorkers()
        ? new RemoteVlmEngine(platform.startWorker(settings, 'vlm'), located.manifest, runtimeSettings)
        : localEngine(platform, located.manifest, runtimeSettings);
    const engine = await startEngine();
    try {
      const parts = { platform, settings, located, engine, startEngine };
      return new VlmModel(parts, await raceSignal(placeVlm({ ...parts, options }), signal), options);
    } catch (error) {
      const disposing = engine.dispose();
      if (!signal?.aborted) await disposing; // loading that is aborted ends unseen
      disposing.catch(() => {});
      throw error;
    }
  }

  private constructor(parts: Parts, device: Device, options: CaptionerOptions) {
    const { platform, settings, located, engine } = parts;
    this.platform = platform;
    this.manifest = located.manifest;
    this.engine = engine;
    this.device = device;
    this.#settings = settings;
    this.#parts = parts;
    this.#options = options;
    this.#host = new Host(Promise.resolve(engine), (restart) => this.#restart(restart));
  }

  /**
   * Work of the engine, which is replaced when its worker stops or its device is lost.
   *
   * @param work may be done again, then with the error that ended it before
   * @param repeatable whether it may be then; a `LostRun` always may
   */
  run<T>(work: (before: MclipError | null) => Promise<T>, repeatable?: () => boolean): Promise<T> {
    return this.#host.run((_, before) => work(before), repeatable);
  }

  async #restart(restart: Restart<VlmEngine>): Promise<VlmEngine> {
    const { remaining } = await import('../model/run-again.js');
    const { platform, startEngine } = this.#parts;
    const { signal } = this.#disposing;
    signal.throwIfAborted();
    const { onProgress, ...options } = this.#options;
    const candidates = remaining(this.device, options.device ?? 'auto', platform.autoDevices(), restart);
    const engine = await startEngine();
    try {
      this.device = await placeVlm({ ...this.#parts, engine, options: { ...options, signal }, candidates });
      this.engine = engine;
      return engine;
    } catch (error) {
      await engine.dispose();
      throw error;
    }
  }

  /** The caller's signal, or the end of the model. */
  until(signal: AbortSignal | undefined): AbortSignal {
    const ends = this.#disposing.signal;
    return signal === undefined ? ends : AbortSignal.any([signal, ends]);
  }

  /** A number that no picture or chat had before. */
  newNumber(): number {
    return ++this.#lastNumber;
  }

  /**
   * Takes in an image as it is now.
   *
   * @returns what encodes it under a number, by which it stays in the engine until it is forgotten; may be called again,
   * then with the error that ended it before
   */
  taking(image: unknown, options: ViewOptions): (before: MclipError | null) => Promise<Features & EncodeTimings> {
    const signal = this.until(options.signal);
    const portable = async () => {
      signal.throwIfAborted();
      return this.platform.portableImage(image, { settings: this.#settings, signal });
    };
    const first = portable();
    first.catch(() => {}); // reported below
    let view: ReturnType<typeof viewOf>;
    return async (before) => {
      let source: PortableImage | Float32Array;
      if (before instanceof LostRun)
        source = before.kept; // in the same view
      else {
        view = viewOf(options, this.manifest);
        if (options.resolution === undefined) view.size = await raceSignal(this.#defaultSize(), signal);
        source = await raceSignal(before === null ? first : portable(), signal);
      }
      const number = this.newNumber();
      const encoding = this.engine.encodeImage({ image: number, source, ...view }, signal);
      try {
        const answer = await raceSignal(encoding, signal);
        if ('why' in answer) throw new LostRun(answer.why, answer.pixelValues);
        return answer;
      } catch (error) {
        encoding.then(() => this.engine.forgetImage(number)).catch(() => {});
        throw error;
      }
    };
  }

  /** The model's own; in WebAssembly one that it is quick enough with. */
  async #defaultSize(): Promise<number> {
    const { sizes, size } = this.manifest.image;
    if (this.device.name !== 'wasm' || sizes.length === 1) return size;
    this.#size ??= import('./affordable-size.js').then(async ({ affordableSize }) => {
      const affordable = await affordableSize(this.#parts, this.manifest, this.engine);
      this.device = { ...this.device, reason: `${this.device.reason}; ${affordable.why}` };
      return affordable.size;
    });
    this.#size.catch(() => {
      this.#size = null; // the next picture may try again
    });
    return this.#size;
  }

  async dispose(): Promise<void> {
    this.#disposing.abort(new MclipError('DISPOSED', 'The captioner was disposed.'));
    const engine = await this.#host.engine;
    await engine.dispose();
  }
}

interface Parts {
  platform: Platform;
  settings: ResolvedSettings;
  located: LocatedModel<VlmManifest>;
  engine: VlmEngine;
  startEngine(): Promise<VlmEngine>;
}

/** Imported when asked for: with a worker, its code is the worker's. */
async function localEngine(platform: Platform, manifest: VlmManifest, settings: RuntimeSettings): Promise<VlmEngine> {
  const [runtime, { LocalVlmEngine }] = await Promise.all([
    platform.loadRuntime(settings),
    import('./local-engine.js'),
  ]);
  return new LocalVlmEngine(runtime, manifest, settings);
}
