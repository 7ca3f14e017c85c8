/**
 * A graph whose weights are in a second file, since a protobuf holds at most 2 GB. onnxruntime finds it beside a graph
 * that has a path; a graph of bytes is given with it.
 */
import type { ModelFile, SplitFile } from '../platform.js';
import type { ManifestFile } from './manifest.js';

/** All that is to be fetched. */
export const withWeights = (files: readonly ManifestFile[]): ManifestFile[] =>
  files.flatMap((file) => (file.data === undefined ? [file] : [file, file.data]));

/** @param fetchOne fetches a single file */
export async function fetchSplit(
  file: ManifestFile,
  weights: ManifestFile,
  fetchOne: (file: ManifestFile) => Promise<ModelFile>,
): Promise<ModelFile> {
  const [graph, data] = await Promise.all([fetchOne(file), fetchOne(weights)]);
  if (typeof graph === 'string') return graph;
  return { graph, data, path: weights.file.slice(file.file.lastIndexOf('/') + 1) } as SplitFile;
}
