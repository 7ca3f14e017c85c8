/**
 * Qwen2's tokenizer (FastVLM's language model), with ids and text identical to Hugging Face `tokenizers` on the same
 * `tokenizer.json`: added tokens, NFC, split, byte-level byte-pair merges. Left out: other normalizers, split patterns
 * and decoders (`fromJSON` rejects them), offsets, pairs of texts, truncation and padding.
 */

import { invalid, shown } from '../errors.js';
import { MergeTable } from './bpe.js';
import { AddedTokenFinder } from './qwen2-added-tokens.js';
import { ByteBuffer, type Qwen2DecodeOptions, Qwen2TextStream, Qwen2TokenBytes } from './qwen2-decode.js';
import { qwen2PieceEnd } from './qwen2-split.js';
import { parseQwen2Json, type Qwen2Vocabulary } from './qwen2-tokenizer-json.js';
import type { Qwen2Tokens } from './qwen2-tokens.js';
import { referenceNfc } from './qwen2-unicode.js';
import { WordCache } from './word-cache.js';

export interface Qwen2EncodeOptions {
  /**
   * True (default, as in the reference): added tokens written out in the text, like `<|im_end|>`, become those tokens.
   * False: the text is nothing but text, and no added token, special or not, comes out of it. For text of others.
   */
  specialTokens?: boolean;
}

export class Qwen2Tokenizer {
  /** Number of tokens, added ones included. A model's logits are often wider. */
  readonly vocabSize: number;
  readonly #merges: MergeTable;
  readonly #byteIds: Int32Array; // byte -> id
  readonly #tokens: Qwen2Tokens;
  readonly #addedIds: Map<string, number>;
  readonly #nfc: boolean;
  readonly #added: AddedTokenFinder; // looked for in the text as it comes
  readonly #addedNormalized: AddedTokenFinder; // looked for in the normalised text
  readonly #tokenBytes: Qwen2TokenBytes;
  readonly #cache = new WordCache();
  #word = new Int32Array(64); // the piece at hand: byte ids, then merged in place
  #output = new Int32Array(128);
  #count = 0;

  private constructor({ left, right, merged, byteIds, tokens, added, vocabSize, nfc }: Qwen2Vocabulary) {
    this.#merges = new MergeTable(left, right, merged);
    this.#byteIds = byteIds;
    this.#tokens = tokens;
    this.vocabSize = vocabSize;
    this.#nfc = nfc;
    const normalize = (text: string): string => (nfc ? referenceNfc(text) : text);
    this.#added = new AddedTokenFinder(added.filter((token) => !token.normalized));
    this.#addedNormalized = new AddedTokenFinder(
      added.filter((token) => token.normalized).map((token) => ({ ...token, content: normalize(token.content) })),
    );
    this.#tokenBytes = new Qwen2TokenBytes(tokens, added, nfc);
    this.#addedIds = new Map(added.map(({ content, id }) => [content, id]));
  }

  /** From a Hugging Face `tokenizer.json` of a Qwen2 tokenizer, as text or parsed. */
  static fromJSON(tokenizerJson: unknown): Qwen2Tokenizer {
    return new Qwen2Tokenizer(parseQwen2Json(tokenizerJson));
  }

  /** Id of a token as the vocabulary spells it: `<|im_end|>`, `Ġthe`. */
  tokenId(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#tokens.idOf(token);
  }

  /** The ids of the text alone; Qwen2 adds none. Half a surrogate pair counts as U+FFFD. */
  encode(text: string, { specialTokens = true }: Qwen2EncodeOptions = {}): number[] {
    if (typeof text !== 'string') throw invalid(`Expected a text, got ${shown(text)}.`);
    this.#count = 0;
    if (!specialTokens) {
      this.#encodeOrdinary(this.#normalize(text));
    } else {
      for (const part of this.#added.split(text)) {
        if (typeof part === 'number') this.#push(part);
        else this.#encodeNormalized(this.#normalize(part));
      }
    }
    return Array.from(this.#output.subarray(0, this.#count));
  }

  /** The text of the ids; ids that no token has are left out. */
  decode(ids: Iterable<number>, { skipSpecialTokens = true }: Qwen2DecodeOptions = {}): string {
    const buffer = new ByteBuffer();
    for (const id of ids) this.#tokenBytes.append(buffer, id, skipSpecialTokens);
    return buffer.takeText(buffer.length);
  }

  /** Decodes ids one at a time. */
  stream({ skipSpecialTokens = true }: Qwen2DecodeOptions = {}): Qwen2TextStream {
    return new Qwen2TextStream(this.#tokenBytes, skipSpecialTokens);
  }

  #normalize(text: string): string {
    return this.#nfc ? referenceNfc(text) : text;
  }

  #encodeNormalized(text: string): void {
    for (const part of this.#addedNormalized.split(text)) {
      if (typeof part === 'number') this.#push(part);
      else this.#encodeOrdinary(part);
    }
  }

  #encodeOrdinary(text: string): void {
    for (let start = 0; start < text.length; ) {
      const end = qwen2PieceEnd(text, start);
      this.#encodePiece(text, start, end);
      start = end;
    }
  }

  #encodePiece(text: string, start: number, end: number): void {
    this.#reserve((end - start) * 3); // UTF-8 needs at most 3 bytes a code unit, and a byte is at most one id
    const word = this.#word;
    const length = this.#writeBytes(text, start, end);
    const slot = this.#cache.slotOf(word, length);
    if (slot !== -1) {
      const kept = this.#cache.read(slot, word, length, this.#output, this.#count);
      this.#count += kept;
      if (kept > 0) return;
      this.#cache.writeWord(slot, word, length);
    }
    const count = this.#merges.merge(word, length);
    if (slot !== -1) this.#cache.writeIds(slot, word, count);
    for (let i = 0; i < count; i++) this.#output[this.#count + i] = word[i];
    this.#count += count;
  }

  /** UTF-8 of the piece as byte ids. */
  #writeBytes(text: string, start: number, end: number): number {
    const word = this.#word;
    const byteIds = this.#byteIds;
    let length = 0;
    for (let i = start; i < end; i++) {
      let code = text.charCodeAt(i);
      if (code < 0x80) {
        word[length++] = byteIds[code];
        continue;
      }
      if (code < 0x800) {
        word[length++] = byteIds[0xc0 | (code >> 6)];
      } else {
        if ((code & 0xf800) === 0xd800) code = text.codePointAt(i)!;
        if (code < 0x10000) {
          if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
          word[length++] = byteIds[0xe0 | (code >> 12)];
        } else {
          i++;
          word[length++] = byteIds[0xf0 | (code >> 18)];
          word[length++] = byteIds[0x80 | ((code >> 12) & 0x3f)];
        }
        word[length++] = byteIds[0x80 | ((code >> 6) & 0x3f)];
      }
      word[length++] = byteIds[0x80 | (code & 0x3f)];
    }
    return length;
  }

  #push(id: number): void {
    this.#reserve(1);
    this.#output[this.#count++] = id;
  }

  #reserve(extra: number): void {
    if (this.#word.length < extra) this.#word = new Int32Array(extra * 2);
    if (this.#output.length >= this.#count + extra) return;
    const grown = new Int32Array((this.#count + extra) * 2);
    grown.set(this.#output);
    this.#output = grown;
  }
}
