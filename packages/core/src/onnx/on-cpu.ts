import { isReference } from '../model/device.js';
import type { RandomAccess, SessionOptions } from '../platform.js';
import type { SinglePrecision } from './single-precision.js';

/**
 * A half-precision file for a device that computes in single precision, null for every other file and device. The code
 * comes when it is needed.
 */
export async function singlePrecisionOnCpu(
  { device, dtype }: SessionOptions,
  openFile: () => Promise<RandomAccess>,
): Promise<SinglePrecision | null> {
  if (!isReference(device) || (dtype !== 'fp16' && dtype !== 'q4f16')) return null;
  const { toSinglePrecision } = await import('./single-precision.js');
  const file = await openFile();
  try {
    return await toSinglePrecision(file);
  } finally {
    await file.close();
  }
}
