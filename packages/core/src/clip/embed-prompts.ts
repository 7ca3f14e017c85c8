/** Groups of prompts through the text tower, a group to a vector. Loaded when one is not known yet. */
import { l2Normalize } from './l2-normalize.js';
import type { ClipModel } from './model.js';
import type { PromptOptions } from './prompts.js';

/**
 * [dim] for each group, kept by the platform under its key.
 *
 * @param keys one for each group, or none: then nothing is kept
 */
export async function embedPrompts(
  model: ClipModel,
  groups: readonly string[][],
  keys: readonly string[],
  options: PromptOptions,
): Promise<Float32Array[]> {
  const { dim } = model.manifest;
  const rows = await model.encodeTexts(groups.flat(), options); // [prompts, dim]
  let row = 0;
  const embeddings = groups.map(({ length }) => {
    const start = row;
    row += length;
    return meanDirection(rows.subarray(start * dim, row * dim), dim);
  });
  const entries = keys.map((key, index): [string, Float32Array] => [key, embeddings[index]!]);
  if (entries.length > 0) await model.platform.writeEmbeddings(entries, model.settings);
  return embeddings;
}

/** Normalised mean of unit vectors, [rows, dim] -> [dim]. */
function meanDirection(rows: Float32Array, dim: number): Float32Array {
  const sum = new Float64Array(dim);
  for (let index = 0; index < rows.length; index++) sum[index % dim]! += rows[index]!;
  return l2Normalize(Float32Array.from(sum));
}
