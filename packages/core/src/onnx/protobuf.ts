/**
 * Protocol buffers read where they lie: the fields of a message without their content, so that a model of any size is
 * walked with a few small reads. Knows nothing of ONNX.
 */
import type { RandomAccess } from '../platform.js';

/** Bytes of a file. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A field of a message; the range is that of its content. */
export interface Field extends Range {
  readonly number: number;
  /** Where its tag begins. */
  readonly from: number;
  /** Of a number; of text or a message its length. */
  readonly value: number;
  readonly isNumber: boolean;
}

/** What was read is no message, or one beyond the bounds of any model. */
export class NotProtobuf extends Error {}

/** Longest tag and length, each a varint. */
const HEADER_BYTES = 20;
/** Read ahead: most fields are short, and follow each other. */
const WINDOW_BYTES = 4096;
/** More fields than any graph has: a damaged file ends here. */
const MOST_FIELDS = 1_000_000;
const MOST_TEXT = 1 << 16;

export class ProtobufReader {
  readonly #file: RandomAccess;
  #window = new Uint8Array(0);
  #windowStart = 0;
  #fieldsLeft = MOST_FIELDS;

  constructor(file: RandomAccess) {
    this.#file = file;
  }

  /** @throws {NotProtobuf} */
  async fields({ start, end }: Range): Promise<Field[]> {
    const found: Field[] = [];
    for (let from = start; from < end; ) {
      const length = Math.min(HEADER_BYTES, end - from);
      const header = this.#known(from, length) ?? (await this.#look(from, length));
      const tag = readVarint(header, 0);
      const wireType = tag.value % 8;
      const number = Math.floor(tag.value / 8);
      let begin = from + tag.size;
      let size: number;
      let value = 0;
      if (wireType === 0 || wireType === 2) {
        const next = readVarint(header, tag.size);
        begin += next.size;
        value = next.value;
        size = wireType === 2 ? value : 0;
      } else if (wireType === 1 || wireType === 5) {
        size = wireType === 1 ? 8 : 4;
      } else {
        throw new NotProtobuf(`wire type ${wireType}`);
      }
      if (number === 0 || begin + size > end) throw new NotProtobuf(`field ${number} of ${size} bytes`);
      if (--this.#fieldsLeft < 0) throw new NotProtobuf(`more than ${MOST_FIELDS} fields`);
      found.push({ number, from, start: begin, end: begin + size, value, isNumber: wireType === 0 });
      from = begin + size;
    }
    return found;
  }

  /** The numbers of a repeated field's one occurrence, packed or not. */
  async numbers(field: Field): Promise<number[]> {
    if (field.isNumber) return [field.value];
    const bytes = await this.bytes(field);
    const numbers: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      const { value, size } = readVarint(bytes, at);
      numbers.push(value);
      at += size;
    }
    return numbers;
  }

  /** One character per byte, so that `bytesOf` gives the very same bytes. */
  async text(range: Range): Promise<string> {
    return String.fromCharCode(...(await this.bytes(range)));
  }

  /** Short content, copied. */
  async bytes({ start, end }: Range): Promise<Uint8Array> {
    if (end - start > MOST_TEXT) throw new NotProtobuf(`${end - start} bytes of text`);
    return (this.#known(start, end - start) ?? (await this.#look(start, end - start))).slice();
  }

  #known(start: number, length: number): Uint8Array | null {
    const at = start - this.#windowStart;
    return at >= 0 && at + length <= this.#window.length ? this.#window.subarray(at, at + length) : null;
  }

  async #look(start: number, length: number): Promise<Uint8Array> {
    const window = new Uint8Array(Math.min(Math.max(length, WINDOW_BYTES), this.#file.size - start));
    await this.#file.read(window, start);
    this.#window = window;
    this.#windowStart = start;
    return window.subarray(0, length);
  }
}

function readVarint(bytes: Uint8Array, at: number): { value: number; size: number } {
  let value = 0;
  for (let size = 1; size <= 10 && at + size <= bytes.length; size++) {
    const byte = bytes[at + size - 1];
    value += (byte & 0x7f) * 2 ** (7 * (size - 1));
    if (byte < 0x80) return { value, size };
  }
  throw new NotProtobuf('a number without end');
}

/** Of a number up to 2 ** 53. */
export function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

/** Of text with one character per byte. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
