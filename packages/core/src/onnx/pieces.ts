/** A new file as pieces of an old one and new bytes between them, so that nothing large is copied before it is needed. */
import type { RandomAccess } from '../platform.js';
import { bytesOf, type Range, varint } from './protobuf.js';

/** Bytes of the old file, or new ones. */
export type Piece = Range | Uint8Array;

/** A field with a message, text or bytes in it. */
export function message(number: number, content: readonly Piece[]): Piece[] {
  return [Uint8Array.from([...varint(number * 8 + 2), ...varint(sizeOf(content))]), ...content];
}

export function numberField(number: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(number * 8), ...varint(value)]);
}

export function textField(number: number, text: string): Piece[] {
  return message(number, [bytesOf(text)]);
}

export function sizeOf(pieces: readonly Piece[]): number {
  let size = 0;
  for (const piece of pieces) size += isNew(piece) ? piece.length : piece.end - piece.start;
  return size;
}

/** The new file, its old parts read straight to where they belong. */
export function assemble(file: RandomAccess, pieces: readonly Piece[]): Promise<Uint8Array<ArrayBuffer>> {
  return new PiecedFile(file, pieces).bytes();
}

/** The new file without it being anywhere as a whole. The old one stays open, also when this is closed. */
export class PiecedFile implements RandomAccess {
  readonly size: number;
  readonly #file: RandomAccess;
  readonly #pieces: Piece[] = [];
  /** Where each begins in the new file. */
  readonly #starts: number[] = [];

  constructor(file: RandomAccess, pieces: readonly Piece[]) {
    this.#file = file;
    let size = 0;
    for (const piece of pieces) {
      const last = this.#pieces.at(-1);
      if (!isNew(piece) && last !== undefined && !isNew(last) && last.end === piece.start) {
        this.#pieces[this.#pieces.length - 1] = { start: last.start, end: piece.end }; // neighbours in one read
      } else {
        this.#pieces.push(piece);
        this.#starts.push(size);
      }
      size += sizeOf([piece]);
    }
    this.size = size;
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    const end = position + target.length;
    let index = this.#starts.findLastIndex((start) => start <= position);
    for (let at = position; at < end; index++) {
      const [piece, start] = [this.#pieces[index]!, this.#starts[index]!];
      const upTo = Math.min(end, start + sizeOf([piece]));
      const part = target.subarray(at - position, upTo - position);
      if (isNew(piece)) part.set(piece.subarray(at - start, upTo - start));
      else await this.#file.read(part, piece.start + at - start);
      at = upTo;
    }
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(this.size);
    await this.read(bytes, 0);
    return bytes;
  }

  async close(): Promise<void> {}
}

const isNew = (piece: Piece): piece is Uint8Array => piece instanceof Uint8Array;
