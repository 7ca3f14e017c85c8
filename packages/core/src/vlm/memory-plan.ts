/** What of a captioner stays in memory between its runs. */
import { isReference } from '../model/device.js';
import type { Dtype } from '../model/manifest.js';
import type { DeviceName } from '../platform.js';
import type { CaptionerOptions } from './captioner-options.js';

/**
 * `'both'`: vision encoder and decoder. `'decoder'`: the vision encoder is loaded for each picture and freed after it.
 * `'one'`: the decoder makes room for it, too.
 */
export type Kept = 'both' | 'decoder' | 'one';

/** WebAssembly's address space. */
const WASM_BYTES = 2 ** 32;
/** While a graph is loaded its file, its weights and their copies in the kernels' layout are there at once. */
const PEAK_PER_BYTE = 3;
/** Of the machine's memory, at most. */
const SHARE = 1 / 2;
/** Weights that are unpacked to fp32 when they are loaded. */
const UNPACKED: Partial<Record<Dtype, number>> = { w8: 4, fp16: 2 };

/**
 * @param files of the graphs; bytes null where unknown
 * @param memoryBytes of the machine; null where it does not tell
 */
export function memoryPlan(
  asked: NonNullable<CaptionerOptions['memory']>,
  device: DeviceName,
  files: readonly { dtype: Dtype; bytes: number | null }[],
  memoryBytes: number | null,
): Kept {
  if (asked === 'high') return 'both';
  if (asked === 'low') return isReference(device) ? 'one' : 'decoder'; // a GPU holds its caches in the session
  const isWasm = device === 'wasm';
  const available = Math.min(memoryBytes ?? (isWasm ? WASM_BYTES : Infinity), isWasm ? WASM_BYTES : Infinity) * SHARE;
  const unknown = isWasm ? Infinity : 0;
  const needed = files.reduce((sum, { dtype, bytes }) => sum + (bytes ?? unknown) * (UNPACKED[dtype] ?? 1), 0);
  return needed * PEAK_PER_BYTE <= available ? 'both' : 'decoder';
}
