/**
 * The side a picture is brought to in WebAssembly, where looking at it is what the user waits for: the largest of the
 * model's own that the vision encoder, timed once at the smallest, is done with within the budget.
 */
import type { ResolvedSettings } from '../configure.js';
import type { Platform } from '../platform.js';
import { VERSION } from '../version.js';
import type { VlmEngine } from './engine.js';
import type { VlmManifest } from './vlm-manifest.js';

export const VISION_BUDGET_MS = 6000;

export interface AffordableSize {
  size: number;
  /** For `captioner.device.reason`. */
  why: string;
}

/** Measured the first time, and remembered per model, browser and number of threads. */
export async function affordableSize(
  { platform, settings }: { platform: Platform; settings: ResolvedSettings },
  { name, image, graphs }: VlmManifest,
  engine: VlmEngine,
): Promise<AffordableSize> {
  const [smallest] = image.sizes as [number];
  const { count } = platform.threads('wasm', settings);
  const { identity } = await platform.deviceFacts('wasm');
  const hashes = Object.values(graphs.vision.files).map(({ sha256 }) => sha256);
  const key = JSON.stringify(['vision speed', VERSION, identity, count, name, hashes, smallest]);
  const [known] = await platform.readEmbeddings([key], settings);
  const ms = known?.[0] ?? (await engine.visionMs(smallest));
  if (known == null) await platform.writeEmbeddings([[key, Float32Array.of(ms)]], settings);
  const expected = (size: number) => ms * (size / smallest) ** 2; // its work goes with the area
  const size = image.sizes.findLast((side) => expected(side) <= VISION_BUDGET_MS) ?? smallest;
  const seconds = (side: number) => `${(expected(side) / 1000).toFixed(1)} s`;
  const own = size === image.size ? '' : `, ${seconds(image.size)} at ${image.size}`;
  return { size, why: `pictures at ${size} px (about ${seconds(size)} in the vision encoder${own})` };
}
