/**
 * Loads a graph on a device and lets the device prove itself: its answer to the canary must be the manifest's, or, where
 * a manifest has none, that of the CPU. What was found is kept per device, form, file and versions; the code of the proof
 * comes when there is something to find.
 */
import type { ResolvedSettings } from '../configure.js';
import type { DeviceName, Platform } from '../platform.js';
import { VERSION } from '../version.js';
import type { SelfCheck } from './canary.js';
import { isReference } from './device.js';
import type { Computing } from './host.js';
import type { Dtype } from './manifest.js';

/** What a computing half says when it has loaded. */
export interface LoadAnswer {
  /** To the check; null without one. */
  answer: Float32Array | null;
  /** How its files are computed, where that is worth a word. */
  notes: string[];
}

export interface CheckedLoad<E extends Computing = Computing> {
  platform: Platform;
  settings: ResolvedSettings;
  device: DeviceName;
  /** Names the graph in errors. */
  what: string;
  dtype: Dtype;
  /** Hashes of the files that answer; null: not known, so that nothing is kept. */
  sha256: string | null;
  /** The manifest's; null: it has none. */
  expected: Float32Array | null;
  /** True: whatever was found before, the device answers again, after it failed while running. */
  again: boolean;
  /** That it is loaded in. */
  engine: E;
  startAnother(): Promise<E>;
  /** Loads and, with a check, answers; a graph whose answer is wrong does not stay loaded. */
  load(engine: E, device: DeviceName, check: SelfCheck | null): Promise<Float32Array | null>;
}

/** Least cosine of forms that compute as trained, and of those with an arithmetic of their own. */
const LEAST = 0.999;
const LEAST_LOSSY = 0.98;

/** Forms whose answers differ from the trained network's on every device. */
export const isLossy = (dtype: Dtype): boolean => !['fp32', 'fp16', 'w8'].includes(dtype);

export const leastCosine = (dtype: Dtype): number => (isLossy(dtype) ? LEAST_LOSSY : LEAST);

/** @throws {MclipError} `DEVICE_UNAVAILABLE` when the device answers wrong now, or did with these files before. */
export async function loadChecked<E extends Computing>(asked: CheckedLoad<E>): Promise<void> {
  const { platform, settings, engine, device, dtype, expected, again } = asked;
  const isTrusted = isReference(device) && (expected === null || isLossy(dtype));
  if (!isTrusted) {
    const key = await keyOf('verdict', asked, device);
    const kept = key === null || again ? undefined : (await platform.readEmbeddings([key], settings))[0]?.[0];
    // never for NaN
    if (!(kept !== undefined && kept >= leastCosine(dtype))) {
      const proof = await import('./prove.js');
      return proof.prove(asked, key, kept);
    }
  }
  await asked.load(engine, device, null);
}

/** Under which something that a device said of these files is kept; null: nowhere. */
export async function keyOf(
  what: string,
  { platform, dtype, what: graph, sha256 }: Pick<CheckedLoad, 'platform' | 'dtype' | 'what' | 'sha256'>,
  device: DeviceName,
): Promise<string | null> {
  if (sha256 === null) return null;
  const { identity } = await platform.deviceFacts(device);
  return JSON.stringify(['self-check', what, VERSION, device, identity, dtype, graph, sha256]);
}
