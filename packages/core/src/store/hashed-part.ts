import type { PartFile, StoreBackend, StreamingHash } from './backend.js';

/** A download under way and the hash of its bytes so far. */
export class HashedPart {
  readonly #backend: StoreBackend;
  readonly #part: PartFile;
  #hash: StreamingHash;

  private constructor(backend: StoreBackend, part: PartFile, hash: StreamingHash) {
    this.#backend = backend;
    this.#part = part;
    this.#hash = hash;
  }

  /** Takes in what an earlier try left, if it is of any use. */
  static async open(backend: StoreBackend, part: PartFile, isUseful: boolean): Promise<HashedPart> {
    if (!isUseful && part.size > 0) await part.truncate();
    const hash = await backend.newHash();
    if (part.size > 0) for await (const chunk of part.read()) hash.update(chunk);
    return new HashedPart(backend, part, hash);
  }

  get size(): number {
    return this.#part.size;
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#part.append(chunk);
    this.#hash.update(chunk);
  }

  async startOver(): Promise<void> {
    await this.#part.truncate();
    this.#hash = await this.#backend.newHash();
  }

  /** Once. */
  sha256(): string {
    return this.#hash.digest();
  }
}
