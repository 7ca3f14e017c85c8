/** Options of everything that loads a CLIP model, and what is told about where it runs. */
import type { Settings } from '../configure.js';
import type { ModelSpec } from '../model/locate.js';
import type { Dtype } from '../model/manifest.js';
import type { OnProgress } from '../model/progress.js';
import type { DeviceName } from '../platform.js';
import type { Preprocessing } from './encoder.js';

export const DEFAULT_MODEL = 'mobileclip2-s0';

/** Options of everything that loads a CLIP model. */
export interface ModelOptions extends Settings {
  /** Default `'mobileclip2-s0'`. */
  model?: ModelSpec;
  /** `'auto'` (default) takes the best device that works and says which in `device`. */
  device?: 'auto' | DeviceName;
  /**
   * With `device: 'auto'`: times the devices that are right, small networks on a GPU too, and takes the fastest. Measured
   * once per model file and machine. Default false.
   */
  benchmark?: boolean;
  /**
   * `'auto'` (default) prefers `w8`, then `fp16` (computed in fp32 on CPU and wasm), then `fp32`; on a GPU asked for by
   * name `fp32` before `fp16`. May be given per graph.
   */
  dtype?: 'auto' | Dtype | { vision?: 'auto' | Dtype; text?: 'auto' | Dtype };
  /** `'exact'` (default): Pillow's bytes. `'fast'`: scaled decoding and the platform's own resize. */
  preprocessing?: Preprocessing;
  /** Decode, preprocess and compute off the caller's thread. Default true. */
  worker?: boolean;
  signal?: AbortSignal;
  onProgress?: OnProgress;
}
