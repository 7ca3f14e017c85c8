/**
 * A download under way, on a shelf. Blobs cannot grow, so it is kept in pieces: small enough that a tab that is closed
 * loses little, at most a hundred of them. At the end they become one.
 */
import type { PartFile } from '@mclip/core/adapter';
import type { WritableShelf } from './shelf.js';
import { typed } from './shelf-reader.js';

const SMALLEST_PIECE = 1 << 16;
const LARGEST_PIECE = 1 << 24;

export class ShelfPart implements PartFile {
  readonly #shelf: WritableShelf;
  readonly #key: string;
  readonly #pieceBytes: number;
  #pieces: Blob[];
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  size: number;

  private constructor(shelf: WritableShelf, key: string, pieceBytes: number, pieces: Blob[]) {
    this.#shelf = shelf;
    this.#key = key;
    this.#pieceBytes = pieceBytes;
    this.#pieces = pieces;
    this.size = pieces.reduce((sum, { size }) => sum + size, 0);
  }

  static async open(shelf: WritableShelf, key: string, bytes: number | null): Promise<ShelfPart> {
    const pieceBytes = Math.min(LARGEST_PIECE, Math.max(SMALLEST_PIECE, Math.ceil((bytes ?? 1 << 26) / 100)));
    return new ShelfPart(shelf, key, pieceBytes, await piecesOf(shelf, key));
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (const piece of this.#pieces) yield new Uint8Array(await piece.arrayBuffer());
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    this.size += chunk.length;
    if (this.#pendingBytes < this.#pieceBytes) return;
    try {
      await this.#flush();
    } catch (error) {
      this.#pending.pop();
      this.#pendingBytes -= chunk.length;
      this.size -= chunk.length;
      throw error;
    }
  }

  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const piece = new Blob(this.#pending as BlobPart[]);
    const name = pieceName(this.#key, this.#pieces.length);
    await typed(this.#shelf.put(name, piece));
    this.#pending = [];
    this.#pendingBytes = 0;
    // from the shelf: the copy in memory can go
    this.#pieces.push((await typed(this.#shelf.get(name))) ?? piece);
  }

  async truncate(): Promise<void> {
    const count = this.#pieces.length;
    this.#pieces = [];
    this.#pending = [];
    this.#pendingBytes = 0;
    this.size = 0;
    await removePieces(this.#shelf, this.#key, count);
  }

  async finish(): Promise<void> {
    const whole = new Blob([...this.#pieces, ...(this.#pending as BlobPart[])]);
    await typed(this.#shelf.put(`${this.#key}.file`, whole));
    await this.truncate();
  }

  async close(): Promise<void> {
    await this.#flush().catch(() => {}); // a full disk: it is fetched again
  }
}

const pieceName = (key: string, index: number) => `${key}.part.${index}`;

async function piecesOf(shelf: WritableShelf, key: string): Promise<Blob[]> {
  const pieces: Blob[] = [];
  for (;;) {
    const piece = await typed(shelf.get(pieceName(key, pieces.length)));
    if (piece === null || piece.size === 0) return pieces;
    pieces.push(piece);
  }
}

/** The last first, so that what is left by a closed tab can be used. */
async function removePieces(shelf: WritableShelf, key: string, count: number): Promise<void> {
  for (let index = count - 1; index >= 0; index--) await typed(shelf.delete(pieceName(key, index)));
}

export async function partBytes(shelf: WritableShelf, key: string): Promise<number> {
  return (await piecesOf(shelf, key)).reduce((sum, { size }) => sum + size, 0);
}
