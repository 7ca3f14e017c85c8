/** Whether a machine has a device, and the memory for a model. Loaded for networks that are large enough to gain from it. */
import type { DeviceName, Platform } from '../platform.js';

/** Weights, a copy on their way to the GPU, and room for the rest of the page. */
const MEMORY_PER_BYTE = 3;

/** @param totalBytes of all files together that the device must hold; null: not known. Null when nothing speaks against it. */
export async function whyUnfit(
  platform: Platform,
  name: DeviceName,
  totalBytes: number | null,
): Promise<string | null> {
  const { unfit, memoryBytes } = await platform.deviceFacts(name);
  if (unfit !== null) return unfit;
  if (memoryBytes !== null && totalBytes !== null && totalBytes * MEMORY_PER_BYTE > memoryBytes) {
    const gigabytes = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
    return `not tried: the model has ${gigabytes(totalBytes)} GB and this machine about ${gigabytes(memoryBytes)} GB of memory`;
  }
  return null;
}
