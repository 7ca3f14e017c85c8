/** Weights that onnxruntime maps where they lie in the model's file, instead of a copy of the file. */
import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { detachWeights } from '@mclip/core/adapter';
import { openFile } from './open-file.js';

/**
 * The graph without its weights, and the folder of the file that it names for them; null for a file that is taken as it
 * is. On Windows all are: a file that is mapped can be neither replaced nor removed there.
 */
export async function detachedGraph(path: string): Promise<{ graph: Uint8Array; folder: string } | null> {
  if (process.platform === 'win32') return null;
  const real = await realpath(path).catch(() => null); // onnxruntime follows no link out of the folder
  if (real === null) return null;
  const file = await openFile(real);
  try {
    const graph = await detachWeights(file, basename(real));
    return graph && { graph, folder: dirname(real) };
  } finally {
    await file.close();
  }
}
