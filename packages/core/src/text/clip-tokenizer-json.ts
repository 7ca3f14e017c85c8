/**
 * The vocabulary of a Hugging Face `tokenizer.json` (a byte-level BPE model with the end-of-word suffix `</w>`), checked
 * as far as encoding relies on it: every byte has both its ids, and every merge joins known tokens to a known token.
 */

import { byteAlphabet } from './bpe.js';
import { isObject, TokenizerFile } from './tokenizer-file.js';

const file = /* @__PURE__ */ new TokenizerFile('CLIP');

/** What encoding needs, as numbers: merge `rank` joins ids `left[rank]` and `right[rank]` to `merged[rank]`. */
export interface ClipVocabulary {
  left: Int32Array;
  right: Int32Array;
  merged: Int32Array;
  byteIds: Int32Array; // byte -> id
  lastByteIds: Int32Array; // byte -> id of the byte at the end of a word
  startTokenId: number;
  endTokenId: number;
}

const END_OF_WORD = '</w>';
// Hugging Face's spelling, open_clip's
const START_TOKENS = ['<|startoftext|>', '<start_of_text>'];
const END_TOKENS = ['<|endoftext|>', '<end_of_text>'];

export function parseTokenizerJson(tokenizerJson: unknown): ClipVocabulary {
  const { model, added_tokens: added = [] } = file.object(tokenizerJson);
  if (!isObject(model)) throw file.corrupt('"model" is missing');
  const { type = 'BPE', vocab, merges, end_of_word_suffix: suffix = END_OF_WORD } = model;
  if (type !== 'BPE') throw file.corrupt(`model.type is ${JSON.stringify(type)}, not "BPE"`);
  if (suffix !== END_OF_WORD)
    throw file.corrupt(`end_of_word_suffix is ${JSON.stringify(suffix)}, not "${END_OF_WORD}"`);
  if (!isObject(vocab)) throw file.corrupt('model.vocab is missing');
  if (!Array.isArray(merges)) throw file.corrupt('model.merges is missing');

  const ids = readVocab(vocab, added);
  const pairs = merges.map(readMerge);
  const alphabet = byteAlphabet();
  return {
    left: Int32Array.from(pairs, ([left]) => idOf(ids, left)),
    right: Int32Array.from(pairs, ([, right]) => idOf(ids, right)),
    merged: Int32Array.from(pairs, ([left, right]) => idOf(ids, left + right)),
    byteIds: Int32Array.from(alphabet, (char) => idOf(ids, char)),
    lastByteIds: Int32Array.from(alphabet, (char) => idOf(ids, char + END_OF_WORD)),
    startTokenId: idOf(ids, ...START_TOKENS),
    endTokenId: idOf(ids, ...END_TOKENS),
  };
}

function readVocab(vocab: Record<string, unknown>, added: unknown): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(vocab)) ids.set(token, file.checkedId(token, id));
  for (const entry of Array.isArray(added) ? added : []) {
    if (isObject(entry) && typeof entry.content === 'string')
      ids.set(entry.content, file.checkedId(entry.content, entry.id));
  }
  return ids;
}

/** Older files write a merge as "a b", newer ones as ["a", "b"]. */
function readMerge(merge: unknown): [string, string] {
  const pair = typeof merge === 'string' ? merge.split(' ') : merge;
  if (Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'string')) {
    return pair as [string, string];
  }
  throw file.corrupt(`${JSON.stringify(merge)} is no merge`);
}

function idOf(ids: Map<string, number>, ...spellings: string[]): number {
  for (const token of spellings) {
    const id = ids.get(token);
    if (id !== undefined) return id;
  }
  throw file.corrupt(`the vocabulary has no ${spellings.map((token) => JSON.stringify(token)).join(' or ')}`);
}
