/** How files are brought to a device: in the form it computes soonest, and left where they lie. */
import { isReference } from '../model/device.js';
import type { RandomAccess, Session, SessionOptions } from '../platform.js';
import type { detachWeights as detach } from './detached-weights.js';
import type { WidenedGraph } from './single-precision.js';

/** From a graph that was made; null: from the file. What it throws that is no `MclipError` is onnxruntime's refusal. */
export type Create = (graph: WidenedGraph | null) => Promise<Session>;

/**
 * A session of a file in the form that the device computes soonest: half precision as single precision on CPU and wasm,
 * 8-bit products in strips in wasm, one position of an output where no other is wanted. The code comes when it is needed.
 */
export async function inFastestForm(
  options: SessionOptions,
  openFile: () => Promise<RandomAccess>,
  create: Create,
): Promise<Session> {
  const isSlow = isReference(options.device) && /^(fp16|q4f16|q8)$/.test(`${options.dtype}`);
  if (!isSlow && options.lastOf === undefined) return create(null);
  const rewritten = await import('./create-rewritten.js');
  return rewritten.createRewritten(options, openFile, create);
}

/** A graph without its weights, as detached-weights.ts makes it. The code comes when it is needed. */
export const detachWeights: typeof detach = async (file, name) => {
  const detached = await import('./detached-weights.js');
  return detached.detachWeights(file, name);
};
