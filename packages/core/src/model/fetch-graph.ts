import type { ModelFile } from '../platform.js';
import type { ManifestFile } from './manifest.js';

/**
 * A graph with its weights, wherever they are.
 *
 * @param fetchOne fetches a single file
 */
export function fetchGraph(
  file: ManifestFile,
  fetchOne: (file: ManifestFile) => Promise<ModelFile>,
): Promise<ModelFile> {
  const weights = file.data;
  if (weights === undefined) return fetchOne(file);
  return import('./split-file.js').then((split) => split.fetchSplit(file, weights, fetchOne));
}
