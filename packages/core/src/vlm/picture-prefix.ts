import type { LanguageModel } from './generation.js';
import type { KvCache } from './kv-cache.js';

/**
 * A conversation up to the end of its picture.
 *
 * @param ids everything before the picture
 * @param features [tokens, hidden], in the place of tokens' embeddings
 */
export async function picturePrefix(
  { decoder, rows, inTurn }: LanguageModel,
  ids: readonly number[],
  features: Float32Array,
): Promise<KvCache> {
  const embeds = new Float32Array(ids.length * decoder.hidden + features.length);
  await rows.read(ids, embeds, 0);
  embeds.set(features, ids.length * decoder.hidden);
  const cache = decoder.emptyCache();
  await inTurn(() => decoder.extend(embeds, cache));
  return cache;
}
