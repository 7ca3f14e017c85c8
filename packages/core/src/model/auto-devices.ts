/** What `device: 'auto'` tries, best first, and what it leaves out and why. */
import type { DeviceName, Platform } from '../platform.js';
import { isReference } from './device.js';
import type { Dtype } from './manifest.js';

/** The graph that most of the time is spent in. */
export interface Workload {
  /** Size of its file; null: not known. */
  bytes: number | null;
  dtype: Dtype;
  /** Of all files together that a device must hold. */
  totalBytes: number | null;
}

export interface Candidates {
  devices: DeviceName[];
  rejected: { name: DeviceName; why: string }[];
}

/**
 * Networks with fewer weights are not known to be faster on a GPU through WebGPU, which also costs a larger download
 * (onnxruntime's files: 6.6 MB against 3.7 MB compressed) and seconds to compile. MobileCLIP S0 to S2 have up to 36
 * million, B has 86 million, FastVLM's decoder 494 million.
 */
const GPU_WEIGHTS = 60e6;
const BITS: Record<Dtype, number> = { fp32: 32, fp16: 16, w8: 8, q8: 8, q4: 4.5, q4f16: 4.5 };

/** @param all leaves out only what cannot work: for a benchmark */
export async function autoDevices(platform: Platform, work: Workload, all = false): Promise<Candidates> {
  const candidates: Candidates = { devices: [], rejected: [] };
  for (const name of platform.autoDevices()) {
    const why = isReference(name) ? null : await unfit(platform, name, work, all);
    if (why === null) candidates.devices.push(name);
    else candidates.rejected.push({ name, why });
  }
  return candidates;
}

async function unfit(platform: Platform, name: DeviceName, work: Workload, all: boolean): Promise<string | null> {
  const weights = work.bytes === null ? Infinity : (work.bytes * 8) / BITS[work.dtype];
  if (weights < GPU_WEIGHTS && !all) {
    const millions = (weights / 1e6).toFixed(weights < 1e7 ? 1 : 0);
    return (
      `not tried: a network of ${millions} million weights is not known to be faster there; ` +
      `name it, or measure with benchmark: true`
    );
  }
  const machine = await import('./machine-fits.js');
  return machine.whyUnfit(platform, name, work.totalBytes);
}
