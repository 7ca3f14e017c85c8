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

/** Of WebAssembly's 4 GB, at most: runs need room, too, and it grows in steps. */
const WASM_BYTES = 3 * 2 ** 30;
/** While a graph is loaded, one after the other, its file and its weights as they come are there beside it. */
const LOADING_PER_BYTE = 2;
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
  const available = Math.min((memoryBytes ?? Infinity) * SHARE, isWasm ? WASM_BYTES : Infinity);
  const unknown = isWasm ? Infinity : 0;
  const weights = files.map(({ dtype, bytes }) => (bytes ?? unknown) * (UNPACKED[dtype] ?? 1));
  const needed = weights.reduce((sum, bytes) => sum + bytes) + LOADING_PER_BYTE * Math.max(...weights);
  return needed <= available ? 'both' : 'decoder';
}
