/**
 * The vocabulary of a Qwen2 `tokenizer.json`, checked as far as encoding and decoding rely on it: a byte-level BPE model
 * with NFC and Qwen2's split pattern, every byte a token, every merge of known tokens. What the file asks for and this
 * tokenizer does not do (other normalizers, patterns, prefixes, dropout) is an error, not a difference in ids.
 */

import { shown } from '../errors.js';
import { byteAlphabet } from './bpe.js';
import type { AddedToken } from './qwen2-added-tokens.js';
import { QWEN2_PATTERN } from './qwen2-split.js';
import { Qwen2Tokens } from './qwen2-tokens.js';
import { isObject, type Json, TokenizerFile } from './tokenizer-file.js';

const file = /* @__PURE__ */ new TokenizerFile('Qwen2');

export interface Qwen2Vocabulary {
  left: Int32Array; // merge `rank` joins ids left[rank] and right[rank] to merged[rank]
  right: Int32Array;
  merged: Int32Array;
  byteIds: Int32Array; // byte -> id
  tokens: Qwen2Tokens;
  added: AddedToken[];
  vocabSize: number; // tokens, added ones included
  nfc: boolean;
}

export function parseQwen2Json(tokenizerJson: unknown): Qwen2Vocabulary {
  const { model, normalizer, pre_tokenizer: preTokenizer, decoder, added_tokens: added } = file.object(tokenizerJson);
  if (!isObject(model)) throw file.corrupt('"model" is missing');
  checkModel(model);
  const nfc = isNfc(normalizer);
  checkPreTokenizer(preTokenizer);
  checkByteLevel('decoder', decoder);

  if (!isObject(model.vocab)) throw file.corrupt('model.vocab is missing');
  const ids = model.vocab;
  const tokens: string[] = [];
  const names = Object.keys(ids);
  for (const token of names) tokens[file.checkedId(token, ids[token])] = token;
  if (!Array.isArray(model.merges)) throw file.corrupt('model.merges is missing');
  const byteIds = Int32Array.from(byteAlphabet(), (char) => idOf(ids, char));
  const addedTokens = readAdded(added).filter((token) => token.content !== '');
  const isNew = (content: string): boolean => typeof ids[content] !== 'number';
  return {
    ...readMerges(model.merges, ids, tokens),
    byteIds,
    tokens: new Qwen2Tokens(tokens),
    added: addedTokens,
    vocabSize: names.length + new Set(addedTokens.map(({ content }) => content).filter(isNew)).size,
    nfc,
  };
}

function checkModel(model: Json): void {
  if ((model.type ?? 'BPE') !== 'BPE') throw file.corrupt(`model.type is ${shown(model.type)}, not "BPE"`);
  for (const name of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'ignore_merges', 'byte_fallback']) {
    if (model[name]) throw file.corrupt(`model.${name} is ${shown(model[name])}, which Qwen2 does not have`);
  }
}

function isNfc(normalizer: unknown): boolean {
  if (normalizer === undefined || normalizer === null) return false;
  if (isObject(normalizer) && normalizer.type === 'NFC') return true;
  if (isObject(normalizer) && normalizer.type === 'Sequence' && Array.isArray(normalizer.normalizers)) {
    return normalizer.normalizers.map(isNfc).some(Boolean);
  }
  throw file.corrupt(`the normalizer is ${shown(normalizer, 200)}, not NFC`);
}

/** `Sequence` of `Split` by the pattern and `ByteLevel`. */
function checkPreTokenizer(preTokenizer: unknown): void {
  const steps = isObject(preTokenizer) && preTokenizer.type === 'Sequence' ? preTokenizer.pretokenizers : undefined;
  const [split, byteLevel, ...more] = Array.isArray(steps) ? steps : [];
  if (!isObject(split) || split.type !== 'Split' || more.length > 0) {
    throw file.corrupt(`pre_tokenizer is ${shown(preTokenizer, 200)}, not Split and ByteLevel in sequence`);
  }
  const pattern = isObject(split.pattern) ? split.pattern.Regex : split.pattern;
  if (pattern !== QWEN2_PATTERN)
    throw file.corrupt(`its split pattern is ${shown(pattern, 300)}, not ${QWEN2_PATTERN}`);
  if (split.behavior !== 'Isolated' || split.invert)
    throw file.corrupt(`its split is ${shown(split, 400)}, not isolated`);
  checkByteLevel('pre_tokenizer', byteLevel, 'add_prefix_space', 'use_regex');
}

/** The options count as set when they are missing, as in the reference. */
function checkByteLevel(what: string, step: unknown, ...unset: string[]): void {
  if (isObject(step) && step.type === 'ByteLevel' && unset.every((name) => step[name] === false)) return;
  const options = unset.length === 0 ? '' : ` with ${unset.join(' and ')} off`;
  throw file.corrupt(`its ${what} has ${shown(step, 200)}, not ByteLevel${options}`);
}

/** Older files write a merge as "a b", newer ones as ["a", "b"]. */
function readMerges(merges: unknown[], ids: Json, tokens: string[]) {
  const count = merges.length;
  const left = new Int32Array(count);
  const right = new Int32Array(count);
  const merged = new Int32Array(count);
  let product = -1;
  for (let rank = 0; rank < count; rank++) {
    const merge = merges[rank];
    const pair = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2) throw file.corrupt(`${shown(merge)} is no merge`);
    left[rank] = idOf(ids, pair[0]);
    right[rank] = idOf(ids, pair[1]);
    const token: string = pair[0] + pair[1];
    // mostly the ids of products follow one another, and comparing is quicker than looking up
    product = tokens[product + 1] === token ? product + 1 : idOf(ids, token);
    merged[rank] = product;
  }
  return { left, right, merged };
}

function readAdded(added: unknown): AddedToken[] {
  if (added === undefined || added === null) return [];
  if (!Array.isArray(added)) throw file.corrupt(`added_tokens is ${shown(added)}, not an array`);
  return added.map((entry: unknown) => {
    if (!isObject(entry) || typeof entry.content !== 'string') throw file.corrupt(`${shown(entry)} is no added token`);
    const { content, special = false, normalized = !special } = entry;
    return {
      id: file.checkedId(content, entry.id),
      content,
      special: special === true,
      normalized: normalized === true,
      singleWord: entry.single_word === true,
      lstrip: entry.lstrip === true,
      rstrip: entry.rstrip === true,
    };
  });
}

function idOf(ids: Json, token: unknown): number {
  const id = ids[token as string];
  if (typeof id === 'number' && typeof token === 'string') return id; // what Object.prototype has is no number
  throw file.corrupt(`the vocabulary has no ${shown(token)}`);
}
