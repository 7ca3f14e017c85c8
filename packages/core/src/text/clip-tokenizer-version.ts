/** Part of every cache key of text embeddings; changes whenever any text may get other ids. */
export const CLIP_TOKENIZER_VERSION = 'open-clip-1';
