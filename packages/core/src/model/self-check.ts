/**
 * Loads a graph on a device and lets the device prove itself: its answer to the canary must be the manifest's, or, where
 * a manifest has none, that of the CPU. What was found is kept per device, form, file and versions.
 */
import type { ResolvedSettings } from '../configure.js';
import type { DeviceName, Platform } from '../platform.js';
import { VERSION } from '../version.js';
import { cosineOf, failedCheck, isLossy, leastCosine, type SelfCheck } from './canary.js';
import { isReference } from './device.js';
import type { Dtype } from './manifest.js';

/** What a computing half says when it has loaded. */
export interface LoadAnswer {
  /** To the check; null without one. */
  answer: Float32Array | null;
  /** How its files are computed, where that is worth a word. */
  notes: string[];
}

export interface CheckedLoad {
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
  /** Loads and, with a check, answers; a graph whose answer is wrong does not stay loaded. */
  load(device: DeviceName, check: SelfCheck | null): Promise<Float32Array | null>;
  /** The answer of a device of its own, freed afterwards. */
  answerOf(device: DeviceName): Promise<Float32Array>;
}

/** @throws {MclipError} `DEVICE_UNAVAILABLE` when the device answers wrong now, or did with these files before. */
export async function loadChecked(asked: CheckedLoad): Promise<void> {
  const { platform, settings, device, what, dtype, sha256, again } = asked;
  const trusted = isReference(device) && (asked.expected === null || isLossy(dtype));
  if (trusted) {
    await asked.load(device, null);
    return;
  }
  const { identity } = await platform.deviceFacts(device);
  const key = keyOf('verdict', VERSION, device, identity, dtype, what, sha256);
  const least = leastCosine(dtype);
  const check = (cosine: number) => {
    if (cosine >= least) return; // never for NaN
    throw failedCheck(
      device,
      `its answer (${what}) has cosine ${cosine.toFixed(4)} with the right one, less than ${least}`,
    );
  };
  const before = sha256 === null || again ? undefined : (await platform.readEmbeddings([key], settings))[0]?.[0];
  if (before !== undefined) {
    check(before);
    await asked.load(device, null);
    return;
  }
  const expected = asked.expected ?? (await referenceAnswer(asked));
  const cosine = cosineOf((await asked.load(device, { expected, least }))!, expected);
  if (sha256 !== null) await platform.writeEmbeddings([[key, Float32Array.of(cosine)]], settings);
  check(cosine);
}

/** What the CPU says: computed once per file. */
async function referenceAnswer({ platform, settings, what, dtype, sha256, answerOf }: CheckedLoad) {
  const reference = platform.supportedDevices.find(isReference)!;
  const { identity } = await platform.deviceFacts(reference);
  const key = keyOf('answer', VERSION, reference, identity, dtype, what, sha256);
  const kept = sha256 === null ? null : (await platform.readEmbeddings([key], settings))[0];
  if (kept) return kept;
  const answer = await answerOf(reference);
  if (sha256 !== null) await platform.writeEmbeddings([[key, answer]], settings);
  return answer;
}

const keyOf = (...parts: (string | null)[]) => JSON.stringify(['self-check', ...parts]);
