/**
 * CLIP's tokenizer, with ids identical to open_clip's `SimpleTokenizer` (clean='lower', the default, which every
 * MobileCLIP configuration keeps): ftfy, `html.unescape` twice, lower case, split, byte-pair merges. Left out: ftfy's
 * mojibake repair (fix-text.ts), characters newer than Unicode 14 are never cased (python-text.ts), and open_clip's
 * other cleaning modes. A Hugging Face CLIPTokenizer differs from both: it runs neither ftfy nor `html.unescape`, and
 * takes `<|startoftext|>` in a text for the special token.
 */

import { MergeTable } from './bpe.js';
import { type ClipVocabulary, parseTokenizerJson } from './clip-tokenizer-json.js';
import { fixText } from './fix-text.js';
import { unescapeHtml } from './html-unescape.js';
import { pythonLower } from './python-text.js';
import { pieceEnd, pieceStart } from './split-words.js';
import { WordCache } from './word-cache.js';

const CONTEXT_LENGTH = 77;
const PAD_TOKEN_ID = 0; // "!"; most MobileCLIP text towers attend to it, so no other value will do
// nothing in such text is cleaned but white space and capitals, which splitting and `#pushBytes` see to
const PLAIN_ASCII = /^[\t\n\f\r -%'-~]*$/;

export class ClipTokenizer {
  readonly contextLength = CONTEXT_LENGTH;
  readonly startTokenId: number;
  readonly endTokenId: number;
  readonly #merges: MergeTable;
  readonly #byteIds: Int32Array; // byte -> id
  readonly #lastByteIds: Int32Array; // byte -> id of the byte at the end of a word
  readonly #cache = new WordCache();
  #word = new Int32Array(64); // the piece at hand: byte ids, then merged in place
  #ids = new Int32Array(128);
  #count = 0;

  /** @internal Use `loadClipTokenizer()` or `ClipTokenizer.fromJSON`. */
  constructor(vocabulary: ClipVocabulary) {
    this.#merges = new MergeTable(vocabulary.left, vocabulary.right, vocabulary.merged);
    this.#byteIds = vocabulary.byteIds;
    this.#lastByteIds = vocabulary.lastByteIds;
    this.startTokenId = vocabulary.startTokenId;
    this.endTokenId = vocabulary.endTokenId;
  }

  /**
   * From a Hugging Face `tokenizer.json` of a CLIPTokenizer, as text or parsed. Only the vocabulary is taken from it;
   * cleaning and splitting stay open_clip's, which the towers were trained with.
   */
  static fromJSON(tokenizerJson: unknown): ClipTokenizer {
    return new ClipTokenizer(parseTokenizerJson(tokenizerJson));
  }

  /** `contextLength` ids: start, text, end, then zeros. A text that is too long is cut; the end token stays last. */
  encode(text: string): number[] {
    const row = new Array<number>(CONTEXT_LENGTH).fill(PAD_TOKEN_ID);
    const count = this.#encode(text, CONTEXT_LENGTH - 2);
    row[0] = this.startTokenId;
    for (let i = 0; i < count; i++) row[i + 1] = this.#ids[i];
    row[count + 1] = this.endTokenId;
    return row;
  }

  /** `encode` into `contextLength` elements of a batch, from `offset` on. */
  encodeInto(text: string, batch: Int32Array | BigInt64Array, offset = 0): void {
    if (!(offset >= 0 && offset + CONTEXT_LENGTH <= batch.length)) {
      throw new RangeError(`Expected room for ${CONTEXT_LENGTH} ids at ${offset}, got an array of ${batch.length}.`);
    }
    const count = this.#encode(text, CONTEXT_LENGTH - 2);
    if (batch instanceof BigInt64Array) {
      batch.fill(BigInt(PAD_TOKEN_ID), offset, offset + CONTEXT_LENGTH);
      batch[offset] = BigInt(this.startTokenId);
      for (let i = 0; i < count; i++) batch[offset + 1 + i] = BigInt(this.#ids[i]);
      batch[offset + 1 + count] = BigInt(this.endTokenId);
    } else {
      batch.fill(PAD_TOKEN_ID, offset, offset + CONTEXT_LENGTH);
      batch[offset] = this.startTokenId;
      for (let i = 0; i < count; i++) batch[offset + 1 + i] = this.#ids[i];
      batch[offset + 1 + count] = this.endTokenId;
    }
  }

  /** The ids of the text alone: no start, end or padding, and never cut. */
  encodeOrdinary(text: string): number[] {
    const count = this.#encode(text, Number.POSITIVE_INFINITY); // may replace #ids
    return Array.from(this.#ids.subarray(0, count));
  }

  /** Fills `#ids` with at most `limit` ids and returns their number. Pieces do not depend on what follows them. */
  #encode(text: string, limit: number): number {
    const cleaned = PLAIN_ASCII.test(text) ? text : cleanText(text);
    const length = cleaned.length;
    this.#count = 0;
    for (let start = pieceStart(cleaned, 0); start < length && this.#count < limit; ) {
      const end = pieceEnd(cleaned, start);
      this.#encodePiece(cleaned, start, end);
      start = pieceStart(cleaned, end);
    }
    return Math.min(this.#count, limit);
  }

  #encodePiece(text: string, start: number, end: number): void {
    this.#reserve((end - start) * 3); // UTF-8 needs at most 3 bytes a code unit, and a byte is at most one id
    const special = end - start > 12 ? this.#specialId(text, start, end) : -1;
    if (special !== -1) {
      this.#ids[this.#count++] = special;
      return;
    }
    const word = this.#word;
    const length = this.#writeBytes(text, start, end);
    const slot = this.#cache.slotOf(word, length);
    if (slot !== -1) {
      const kept = this.#cache.read(slot, word, length, this.#ids, this.#count);
      this.#count += kept;
      if (kept > 0) return;
      this.#cache.writeWord(slot, word, length);
    }
    const count = this.#merges.merge(word, length);
    if (slot !== -1) this.#cache.writeIds(slot, word, count);
    for (let i = 0; i < count; i++) this.#ids[this.#count + i] = word[i];
    this.#count += count;
  }

  /** A piece that spells a special token is that token, as in open_clip; with ſ for s it is ordinary text. */
  #specialId(text: string, start: number, end: number): number {
    if (text[start] !== '<' || text[end - 1] !== '>') return -1;
    const piece = text.slice(start, end).toLowerCase();
    return piece === '<start_of_text>' ? this.startTokenId : piece === '<end_of_text>' ? this.endTokenId : -1;
  }

  /** UTF-8 of the piece as byte ids, ASCII capitals lowered. */
  #writeBytes(text: string, start: number, end: number): number {
    const word = this.#word;
    const byteIds = this.#byteIds;
    let length = 0;
    let byte = 0;
    for (let i = start; i < end; i++) {
      let code = text.charCodeAt(i);
      if (code < 0x80) {
        byte = code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
      } else {
        if (code < 0x800) {
          word[length++] = byteIds[0xc0 | (code >> 6)];
        } else if (code < 0xd800 || code > 0xdfff) {
          word[length++] = byteIds[0xe0 | (code >> 12)];
          word[length++] = byteIds[0x80 | ((code >> 6) & 0x3f)];
        } else {
          code = text.codePointAt(i++)!; // cleaning left no lone surrogate
          word[length++] = byteIds[0xf0 | (code >> 18)];
          word[length++] = byteIds[0x80 | ((code >> 12) & 0x3f)];
          word[length++] = byteIds[0x80 | ((code >> 6) & 0x3f)];
        }
        byte = 0x80 | (code & 0x3f);
      }
      word[length++] = byteIds[byte];
    }
    word[length - 1] = this.#lastByteIds[byte];
    return length;
  }

  #reserve(extra: number): void {
    if (this.#word.length < extra) this.#word = new Int32Array(extra * 2);
    if (this.#ids.length >= this.#count + extra) return;
    const grown = new Int32Array((this.#count + extra) * 2);
    grown.set(this.#ids);
    this.#ids = grown;
  }
}

function cleanText(text: string): string {
  return pythonLower(unescapeHtml(unescapeHtml(fixText(text))));
}
