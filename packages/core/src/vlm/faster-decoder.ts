/** The native decoder's form by measurement: int8 or 4 bits, whichever writes a caption sooner here. */
import type { ResolvedSettings } from '../configure.js';
import type { DeviceName, Platform } from '../platform.js';
import { VERSION } from '../version.js';
import type { VlmEngine } from './engine.js';
import type { ProductForm } from './product-graph.js';

export interface FasterDecoder {
  dtype: ProductForm;
  /** For `captioner.device.reason`. */
  why: string;
}

/** Measured in a quarter of a second the first time on a machine; the same answer afterwards. */
export async function fasterDecoder(
  platform: Platform,
  settings: ResolvedSettings,
  device: DeviceName,
  engine: VlmEngine,
): Promise<FasterDecoder> {
  const { count } = platform.threads(device, settings);
  const { identity } = await platform.deviceFacts(device);
  const key = JSON.stringify(['kernel speed', VERSION, device, identity, count]);
  const [known] = await platform.readEmbeddings([key], settings);
  let [q8, q4] = known ?? [];
  if (q8 === undefined || q4 === undefined) {
    ({ q8, q4 } = await engine.kernelSpeed({ device, numThreads: count }));
    await platform.writeEmbeddings([[key, Float32Array.of(q8, q4)]], settings);
  }
  const dtype = q8 <= q4 ? 'q8' : 'q4';
  const [less, more] = [Math.min(q8, q4), Math.max(q8, q4)].map((ms) => ms.toFixed(0));
  return { dtype, why: `${dtype} as the quicker decoder here (test product ${less} against ${more} ms)` };
}
