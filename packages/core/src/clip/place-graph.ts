/** One graph of a CLIP model onto a device that proves itself. */
import { decodeFloats } from '../base64.js';
import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import { autoDevices, type Candidates } from '../model/auto-devices.js';
import type { SelfCheck } from '../model/canary.js';
import { type Device, isReference } from '../model/device.js';
import { loadOnFirstDevice } from '../model/first-device.js';
import type { Dtype, GraphName, Manifest } from '../model/manifest.js';
import { loadChecked } from '../model/self-check.js';
import type { DeviceName, FetchedFile, ModelFile, Platform } from '../platform.js';
import type { Contest } from './benchmark.js';
import type { ClipEncoder } from './encoder.js';

export interface Placing {
  platform: Platform;
  settings: ResolvedSettings;
  manifest: Manifest;
  graph: GraphName;
  dtype: Dtype;
  file: FetchedFile;
  /** The file's content, once for every device that is tried. */
  take(): Promise<ModelFile>;
  tokenizerJson: string | null;
  asked: 'auto' | DeviceName;
  benchmark: boolean;
  /** Where the other graph runs already; null: this one finds the device. */
  current: Device | null;
  /** Set after a failure while running: the devices that are left, which answer again whatever was found before. */
  candidates?: Candidates;
  encoder: ClipEncoder;
  startEncoder(): Promise<ClipEncoder>;
}

/** The device of the model: a graph that fails where the other one runs falls back by itself. */
export async function placeGraph(placing: Placing): Promise<Device> {
  const { platform, settings, asked, graph, dtype, current, encoder } = placing;
  let notes: string[] = [];
  const load = async (target: ClipEncoder, device: DeviceName, check: SelfCheck | null) => {
    const loaded = await target.load({
      graph,
      file: await placing.take(),
      dtype,
      device,
      numThreads: platform.threads(device, settings).count,
      tokenizerJson: placing.tokenizerJson,
      check,
    });
    notes = loaded.notes;
    return loaded.answer;
  };
  const expected = expectedAnswer(placing.manifest, graph);
  const loadOn = (engine: ClipEncoder, device: DeviceName) =>
    loadChecked({
      ...{ platform, settings, device, what: `${graph} graph`, dtype, sha256: placing.file.sha256, expected },
      ...{ engine, load, startAnother: placing.startEncoder, again: placing.candidates !== undefined },
    });
  const devices = await candidates(placing, loadOn);
  const found = await loadOnFirstDevice(platform, settings, asked, devices, async (device) => {
    await loadOn(encoder, device);
    return dtype;
  });
  if (current === null) return { ...found, reason: [found.reason, ...notes].join('; ') };
  const fellBack = found.rejected.map(({ name, why }) => ({ name, why: `${graph} graph: ${why}` }));
  const news = notes.filter((note) => !current.reason.includes(note)).map((note) => `; ${graph} graph: ${note}`);
  return { ...current, reason: current.reason + news.join(''), rejected: [...current.rejected, ...fellBack] };
}

async function candidates(placing: Placing, loadOn: Contest['loadOn']): Promise<Candidates> {
  const { platform, asked, current, dtype } = placing;
  const { bytes } = placing.file;
  if (asked !== 'auto') return placing.candidates ?? { devices: [asked], rejected: [] };
  if (current === null && placing.candidates) return placing.candidates;
  if (current === null) {
    const found = await autoDevices(platform, { dtype, bytes, totalBytes: bytes }, placing.benchmark);
    if (!placing.benchmark) return found;
    const contest = await import('./benchmark.js');
    return contest.fastestFirst({ ...placing, candidates: found, loadOn });
  }
  const others = platform.autoDevices().filter((name) => isReference(name) && name !== current.name);
  return { devices: [current.name, ...others], rejected: [] };
}

/** [dim], or null without a canary. @throws {MclipError} `MODEL_CORRUPT` when it cannot be one. */
function expectedAnswer({ canary, dim }: Manifest, graph: GraphName): Float32Array | null {
  const base64 = graph === 'vision' ? canary?.vision : canary?.text?.embedding;
  if (base64 === undefined) return null;
  const expected = decodeFloats(base64);
  if (expected?.length === dim) return expected;
  throw new MclipError('MODEL_CORRUPT', `The manifest's canary (${graph}) is not base64 of ${dim} fp32 values.`);
}
