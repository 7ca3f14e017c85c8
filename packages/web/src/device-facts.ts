/** What the browser tells of its devices before anything is loaded on them. */
import type { DeviceFacts, DeviceName } from '@mclip/core/adapter';

export async function deviceFacts(device: DeviceName): Promise<DeviceFacts> {
  const { deviceMemory, userAgent } = navigator as Navigator & { deviceMemory?: number };
  const memoryBytes = deviceMemory === undefined || deviceMemory >= 8 ? null : deviceMemory * 2 ** 30; // 8: or more
  const facts = { identity: userAgent, half: true, unfit: null, memoryBytes };
  if (device !== 'webgpu') return facts;
  const gpu = await import('./gpu-facts.js');
  return gpu.gpuFacts(facts);
}
