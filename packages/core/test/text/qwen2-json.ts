import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { byteAlphabet, clipByteOrder } from '../../src/text/bpe.js';
import { QWEN2_PATTERN } from '../../src/text/qwen2-split.js';
import type { Qwen2Tokenizer } from '../../src/text/qwen2-tokenizer.js';

const FIRST_MERGE_ID = 256;
const FIRST_ADDED_ID = 151_643;

export interface AddedFlags {
  content: string;
  special?: boolean;
  normalized?: boolean;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
}

const SPECIALS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<image>'].map((content) => ({
  content,
  special: true,
}));
const tokens = vocabulary();

/** The tokenizer.json of Qwen2, with FastVLM's `<image>` or other added tokens; merges as pairs, as today's files. */
export function qwen2Json(added: AddedFlags[] = SPECIALS) {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: '1.0',
    added_tokens: added.map((token, i) => ({ id: FIRST_ADDED_ID + i, ...flags, ...token })),
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: QWEN2_PATTERN }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.names.map((token, id) => [token, id])),
      merges: tokens.pairs,
    },
  };
}

/** Every token of Qwen2's vocabulary in order, without the added ones. */
export function qwen2TokenNames(): readonly string[] {
  return tokens.names;
}

/** Every delta, the last one from `flush`. */
export function streamed(tokenizer: Qwen2Tokenizer, ids: number[], skipSpecialTokens = true): string[] {
  const stream = tokenizer.stream({ skipSpecialTokens });
  return [...ids.map((id) => stream.push(id)), stream.flush()];
}

/** qwen2-merges.bin.gz: byte planes (high, middle, low) of the left ids, then of the right ids. */
function vocabulary() {
  const file = new URL('../fixtures/qwen2-merges.bin.gz', import.meta.url);
  const planes = gunzipSync(readFileSync(file));
  const count = planes.length / 6;
  const idAt = (rank: number, side: number): number => {
    const [high, middle, low] = [0, 1, 2].map((plane) => planes[(side * 3 + plane) * count + rank]);
    return (high << 16) | (middle << 8) | low;
  };
  const alphabet = byteAlphabet();
  const names = clipByteOrder().map((byte) => alphabet[byte]);
  const pairs: [string, string][] = [];
  for (let rank = 0; rank < count; rank++) {
    const pair: [string, string] = [names[idAt(rank, 0)], names[idAt(rank, 1)]];
    pairs.push(pair);
    names[FIRST_MERGE_ID + rank] = pair[0] + pair[1];
  }
  return { names, pairs };
}
