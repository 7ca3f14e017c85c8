/** Tries devices in turn. */
import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import type { DeviceName, Platform } from '../platform.js';
import type { Candidates } from './auto-devices.js';
import type { Device } from './device.js';
import type { Dtype } from './manifest.js';

/** With any of these the next device may still work. */
const FALLS_BACK = ['DEVICE_UNAVAILABLE', 'DEVICE_LOST', 'OUT_OF_MEMORY'];

/**
 * @param asked named in the reason
 * @param load on a device, with so many threads; gives the dtype that it took
 */
export async function loadOnFirstDevice(
  platform: Platform,
  settings: ResolvedSettings,
  asked: 'auto' | DeviceName,
  { devices, rejected: leftOut }: Candidates,
  load: (name: DeviceName, numThreads: number) => Promise<Dtype>,
): Promise<Device> {
  const rejected: Device['rejected'] = [...leftOut];
  for (const [index, name] of devices.entries()) {
    const { count, limitedBy } = platform.threads(name, settings);
    try {
      const dtype = await load(name, count);
      const why = asked === 'auto' ? 'the best device that works here' : 'asked for';
      return { name, dtype, threads: count, reason: limitedBy === null ? why : `${why}; ${limitedBy}`, rejected };
    } catch (error) {
      const isLast = index + 1 === devices.length;
      if (isLast || !MclipError.isInstance(error) || !FALLS_BACK.includes(error.code)) throw error;
      rejected.push({ name, why: error.message });
    }
  }
  throw new MclipError('DEVICE_UNAVAILABLE', 'There is no device to run on.');
}
