/** Of a file of 8-bit products the fastest session that onnxruntime takes in WebAssembly: in strips, else of the file. */
import type { RandomAccess, Session, SessionOptions } from '../platform.js';
import type { Create } from './on-cpu.js';
import { productsInStrips } from './product-strips.js';
import { isRefusal } from './refusal.js';

export async function createInStrips(
  { dtype, onNote }: SessionOptions,
  openFile: () => Promise<RandomAccess>,
  create: Create,
): Promise<Session> {
  const file = await openFile();
  let graph = await productsInStrips(file).finally(() => file.close());
  if (graph !== null) {
    try {
      const session = await create({ graph, externalFiles: [] });
      onNote?.(`${dtype} in strips of columns`);
      return session;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      onNote?.(`${dtype} as it is, which is slower: onnxruntime does not take it in strips (${error.message})`);
      graph = null; // its memory is not needed any more
    }
  }
  return create(null);
}
