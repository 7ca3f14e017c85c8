/** The bundled CLIP tokenizer. Its code and its vocabulary are fetched when it is first asked for. */

import type { ClipTokenizer } from './clip-tokenizer.js';

let loading: Promise<ClipTokenizer> | undefined;

/** The CLIP tokenizer with the bundled vocabulary. Every call returns the same tokenizer. */
export function loadClipTokenizer(): Promise<ClipTokenizer> {
  loading ??= load().catch((error) => {
    loading = undefined; // a chunk that failed to load may load next time
    throw error;
  });
  return loading;
}

async function load(): Promise<ClipTokenizer> {
  const [{ ClipTokenizer }, { bundledClipVocabulary }] = await Promise.all([
    import('./clip-tokenizer.js'),
    import('./bundled-clip-vocabulary.js'),
  ]);
  return new ClipTokenizer(bundledClipVocabulary());
}
