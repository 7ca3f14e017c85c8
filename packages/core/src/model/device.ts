/** Where a model runs: the device that was asked for, or the best that works. */

import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import type { DeviceName, Platform } from '../platform.js';
import type { Dtype } from './manifest.js';

/** Where a model runs, and why there. */
export interface Device {
  name: DeviceName;
  /** Of the vision graph, or of a captioner's decoder. */
  dtype: Dtype;
  threads: number;
  reason: string;
  /** Devices that were tried or considered before, best first. */
  rejected: { name: DeviceName; why: string }[];
}

/** @throws {MclipError} `DEVICE_UNAVAILABLE` for a device that this platform does not know. */
export function checkDevice(platform: Platform, device: 'auto' | DeviceName): void {
  if (device === 'auto' || platform.supportedDevices.includes(device)) return;
  throw new MclipError(
    'DEVICE_UNAVAILABLE',
    `device '${device}' does not exist here; choose 'auto' or one of ${platform.supportedDevices.join(', ')}.`,
  );
}

/** @param load on a device, with so many threads; gives the dtype that it took */
export async function loadOnFirstDevice(
  platform: Platform,
  settings: ResolvedSettings,
  asked: 'auto' | DeviceName,
  load: (name: DeviceName, numThreads: number) => Promise<Dtype>,
): Promise<Device> {
  const candidates = asked === 'auto' ? platform.autoDevices() : [asked];
  const rejected: Device['rejected'] = [];
  for (const name of candidates) {
    const { count, limitedBy } = platform.threads(name, settings);
    try {
      const dtype = await load(name, count);
      const why = asked === 'auto' ? 'the best device that works here' : 'asked for';
      return { name, dtype, threads: count, reason: limitedBy === null ? why : `${why}; ${limitedBy}`, rejected };
    } catch (error) {
      const isLast = rejected.length + 1 === candidates.length;
      if (isLast || !MclipError.isInstance(error) || error.code !== 'DEVICE_UNAVAILABLE') throw error;
      rejected.push({ name, why: error.message });
    }
  }
  throw new MclipError('DEVICE_UNAVAILABLE', 'There is no device to run on.');
}
