/** The vocabulary of OpenAI CLIP from its packed merges: bytes 0-255, bytes at the end of a word, merges, specials. */

import { clipByteOrder } from './bpe.js';
import type { ClipVocabulary } from './clip-tokenizer-json.js';
import { MERGES_LEFT, MERGES_RIGHT } from './clip-vocabulary.js';

const FIRST_MERGE_ID = 512;

export function bundledClipVocabulary(): ClipVocabulary {
  const left = unpackIds(MERGES_LEFT);
  const firstSpecialId = FIRST_MERGE_ID + left.length;
  const byteIds = new Int32Array(256);
  for (const [id, byte] of clipByteOrder().entries()) byteIds[byte] = id;
  return {
    left,
    right: unpackIds(MERGES_RIGHT),
    merged: left.map((_, rank) => FIRST_MERGE_ID + rank),
    byteIds,
    lastByteIds: byteIds.map((id) => id + 256),
    startTokenId: firstSpecialId,
    endTokenId: firstSpecialId + 1,
  };
}

/** Three columns of base-64 digits (clip-vocabulary.ts) -> ids. */
function unpackIds(digits: string): Int32Array {
  const values = new Uint8Array(128);
  for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries()) {
    values[digit.charCodeAt(0)] = value;
  }
  const count = digits.length / 3;
  const ids = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const high = values[digits.charCodeAt(i)];
    const middle = values[digits.charCodeAt(count + i)];
    ids[i] = (high << 12) | (middle << 6) | values[digits.charCodeAt(2 * count + i)];
  }
  return ids;
}
