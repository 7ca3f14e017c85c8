/** `benchmark: true`: which of the devices that are right is the fastest, measured once per file and machine. */
import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import type { Candidates } from '../model/auto-devices.js';
import { canaryPicture } from '../model/canary.js';
import type { Manifest } from '../model/manifest.js';
import type { DeviceName, FetchedFile, Platform } from '../platform.js';
import { VERSION } from '../version.js';
import type { ClipEncoder } from './encoder.js';

/** After one that compiles and warms up; the median counts. */
const RUNS = 5;

export interface Contest {
  platform: Platform;
  settings: ResolvedSettings;
  candidates: Candidates;
  manifest: Manifest;
  /** Of the vision graph; without a hash nothing is kept. */
  file: FetchedFile;
  startEncoder(): Promise<ClipEncoder>;
  /** Loads the vision graph on a device, which proves itself. */
  loadOn(encoder: ClipEncoder, device: DeviceName): Promise<void>;
}

/** The same devices, fastest first. */
export async function fastestFirst(contest: Contest): Promise<Candidates> {
  const { platform, settings, candidates } = contest;
  const { devices } = candidates;
  const { sha256 } = contest.file;
  if (devices.length < 2) return candidates;
  const identities = await Promise.all(devices.map(async (name) => (await platform.deviceFacts(name)).identity));
  const key = JSON.stringify(['benchmark', VERSION, sha256, devices, identities]);
  const kept = sha256 === null ? null : (await platform.readEmbeddings([key], settings))[0];
  const times = kept ?? Float32Array.from(await oneByOne(devices, (device) => timeOf(device, contest)));
  if (!kept && sha256 !== null) await platform.writeEmbeddings([[key, times]], settings);
  const order = devices.map((_, index) => index).sort((a, b) => times[a]! - times[b]!);
  const fastest = order[0]!;
  const slower = order.slice(1).map((index) => ({
    name: devices[index]!,
    why: `${times[index]!.toFixed(1)} ms a picture, ${devices[fastest]} ${times[fastest]!.toFixed(1)} ms`,
  }));
  return { devices: order.map((index) => devices[index]!), rejected: [...candidates.rejected, ...slower] };
}

/** Milliseconds a picture; infinity for a device that is not right or does not work. */
async function timeOf(device: DeviceName, { manifest, startEncoder, loadOn }: Contest): Promise<number> {
  const { size } = manifest.image;
  const encoder = await startEncoder();
  try {
    await loadOn(encoder, device);
    const times: number[] = [];
    for (let run = 0; run <= RUNS; run++) {
      const data = canaryPicture(size); // moved to the worker every time
      const start = performance.now();
      await encoder.encodeImage({ source: { kind: 'pixels', data, width: size, height: size, channels: 3 } }, 'exact');
      times.push(performance.now() - start);
    }
    return times.slice(1).sort((a, b) => a - b)[RUNS >> 1]!;
  } catch (error) {
    if (!MclipError.isInstance(error)) throw error;
    return Infinity;
  } finally {
    await encoder.dispose();
  }
}

async function oneByOne<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
