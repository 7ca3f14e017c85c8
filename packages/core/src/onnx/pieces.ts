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
export async function assemble(file: RandomAccess, pieces: readonly Piece[]): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(sizeOf(pieces));
  let at = 0;
  for (let i = 0; i < pieces.length; ) {
    const piece = pieces[i++]!;
    if (isNew(piece)) {
      bytes.set(piece, at);
      at += piece.length;
      continue;
    }
    // neighbours in one read
    let { end } = piece;
    for (let next = pieces[i]; next !== undefined && !isNew(next) && next.start === end; next = pieces[++i]) {
      end = next.end;
    }
    const size = end - piece.start;
    await file.read(bytes.subarray(at, at + size), piece.start);
    at += size;
  }
  return bytes;
}

const isNew = (piece: Piece): piece is Uint8Array => piece instanceof Uint8Array;
