/** How files are brought to the CPU: there weights may have to be widened, and can be left where they lie. */
import { isReference } from '../model/device.js';
import type { RandomAccess, Session, SessionOptions } from '../platform.js';
import type { detachWeights as detach } from './detached-weights.js';
import type { WidenedGraph } from './single-precision.js';

/**
 * A session of a file that may be in half precision: on a device that computes in single precision of the graph made of
 * it, else of the file as it is. The code comes when it is needed.
 *
 * @param create from the graph; null: from the file. What it throws that is no `MclipError` is onnxruntime's refusal.
 */
export async function inSinglePrecision(
  options: SessionOptions,
  openFile: () => Promise<RandomAccess>,
  create: (graph: WidenedGraph | null) => Promise<Session>,
): Promise<Session> {
  const { device, dtype } = options;
  if (!isReference(device) || (dtype !== 'fp16' && dtype !== 'q4f16')) return create(null);
  const widened = await import('./create-widened.js');
  return widened.createWidened(options, openFile, create);
}

/** A graph without its weights, as detached-weights.ts makes it. The code comes when it is needed. */
export const detachWeights: typeof detach = async (file, name) => {
  const detached = await import('./detached-weights.js');
  return detached.detachWeights(file, name);
};
