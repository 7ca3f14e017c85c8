/**
 * Ids to text as the reference's ByteLevel decoder does it: the bytes of all tokens in a row, read as UTF-8, every
 * broken sequence as U+FFFD. Ids without a token are nothing. `Qwen2TextStream` gives the same text piece by piece.
 */

import { invalid, shown } from '../errors.js';
import { byteAlphabet } from './bpe.js';
import type { AddedToken } from './qwen2-added-tokens.js';
import type { Qwen2Tokens } from './qwen2-tokens.js';
import { referenceNfc } from './qwen2-unicode.js';

export interface Qwen2DecodeOptions {
  /** Leaves special tokens out of the text; default true, as in the reference. */
  skipSpecialTokens?: boolean;
}

const utf8 = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true });

/** The bytes of every token. */
export class Qwen2TokenBytes {
  readonly #tokens: Qwen2Tokens;
  readonly #added = new Map<number, { text: string; special: boolean }>();
  readonly #bytes = new Int16Array(0x200).fill(-1); // character of the byte alphabet -> byte

  constructor(tokens: Qwen2Tokens, added: AddedToken[], nfc: boolean) {
    this.#tokens = tokens;
    const specials = new Set(added.filter((token) => token.special).map((token) => token.content));
    for (const { id, content, normalized } of added) {
      const text = normalized && nfc ? referenceNfc(content) : content;
      this.#added.set(id, { text, special: specials.has(text) });
    }
    for (const [byte, char] of byteAlphabet().entries()) this.#bytes[char.charCodeAt(0)] = byte;
  }

  /** Appends the bytes of `id` to `buffer`. */
  append(buffer: ByteBuffer, id: number, skipSpecialTokens: boolean): void {
    if (!(Number.isInteger(id) && id >= 0)) {
      throw invalid(`Expected token ids, whole numbers from 0 on, got ${shown(id)}.`);
    }
    const added = this.#added.get(id);
    if (added?.special && skipSpecialTokens) return;
    const token = added?.text ?? this.#tokens.at(id);

    const start = buffer.length;
    buffer.reserve(token.length);
    for (let i = 0; i < token.length; i++) {
      const byte = this.#bytes[token.charCodeAt(i)] ?? -1;
      if (byte === -1) {
        buffer.length = start; // no byte-level token: its own text
        buffer.append(new TextEncoder().encode(token));
        return;
      }
      buffer.bytes[buffer.length++] = byte;
    }
  }
}

export class ByteBuffer {
  bytes = new Uint8Array(64);
  length = 0;

  reserve(extra: number): void {
    if (this.bytes.length >= this.length + extra) return;
    const grown = new Uint8Array((this.length + extra) * 2);
    grown.set(this.bytes);
    this.bytes = grown;
  }

  append(more: Uint8Array): void {
    this.reserve(more.length);
    this.bytes.set(more, this.length);
    this.length += more.length;
  }

  /** The first `count` bytes as text, taken out. */
  takeText(count: number): string {
    const text = utf8.decode(this.bytes.subarray(0, count));
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
    return text;
  }
}

/** The text of a growing list of ids. Every delta is whole characters; all of them in a row are `decode` of all ids. */
export class Qwen2TextStream {
  readonly #tokenBytes: Qwen2TokenBytes;
  readonly #skipSpecialTokens: boolean;
  readonly #buffer = new ByteBuffer(); // at most 3 bytes between two calls

  /** @internal Use `Qwen2Tokenizer.stream()`. */
  constructor(tokenBytes: Qwen2TokenBytes, skipSpecialTokens: boolean) {
    this.#tokenBytes = tokenBytes;
    this.#skipSpecialTokens = skipSpecialTokens;
  }

  /** The text that `id` completes, maybe none. */
  push(id: number): string {
    const buffer = this.#buffer;
    this.#tokenBytes.append(buffer, id, this.#skipSpecialTokens);
    return buffer.takeText(buffer.length - unfinishedBytes(buffer.bytes, buffer.length));
  }

  /** What is left: U+FFFD for an unfinished character, else nothing. Afterwards the stream starts anew. */
  flush(): string {
    return this.#buffer.takeText(this.#buffer.length);
  }
}

/** How many bytes at the end may yet become a character: a lead byte and fewer continuations than it asks for. */
function unfinishedBytes(bytes: Uint8Array, length: number): number {
  for (let count = 1; count <= Math.min(3, length); count++) {
    const lead = bytes[length - count];
    if (lead >= 0x80 && lead < 0xc0) continue;
    const size = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return count < size && (count === 1 || mayFollow(lead, bytes[length - count + 1])) ? count : 0;
  }
  return 0;
}

/** Not overlong, no surrogate, not above U+10FFFF; the text of such a sequence is clear already. */
function mayFollow(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second < 0xa0;
  if (lead === 0xf0) return second >= 0x90;
  return lead !== 0xf4 || second < 0x90;
}
