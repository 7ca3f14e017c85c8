/** Of a file that is slow as it is the fastest session that onnxruntime takes. */
import type { RandomAccess, Session, SessionOptions } from '../platform.js';
import { createInStrips } from './create-in-strips.js';
import { createWidened } from './create-widened.js';
import type { Create } from './on-cpu.js';

export async function createRewritten(
  options: SessionOptions,
  openFile: () => Promise<RandomAccess>,
  create: Create,
): Promise<Session> {
  if (options.dtype !== 'q8') return createWidened(options, openFile, create);
  return options.device === 'wasm' ? createInStrips(options, openFile, create) : create(null); // natively they gain nothing
}
