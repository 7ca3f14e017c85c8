/** Where a model runs: the device that was asked for, or the best that works. */

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

/** ONNX Runtime's own CPU code, native or in WebAssembly: what others are compared with. */
export const isReference = (device: DeviceName): boolean => device === 'cpu' || device === 'wasm';

/** @throws {MclipError} `DEVICE_UNAVAILABLE` for a device that this platform does not know. */
export function checkDevice(platform: Platform, device: 'auto' | DeviceName): void {
  if (device === 'auto' || platform.supportedDevices.includes(device)) return;
  throw new MclipError(
    'DEVICE_UNAVAILABLE',
    `device '${device}' does not exist here; choose 'auto' or one of ${platform.supportedDevices.join(', ')}.`,
  );
}
