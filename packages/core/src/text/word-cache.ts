/**
 * The last word seen per hash: byte ids -> token ids, in one flat array, so that neither a hit nor a miss allocates.
 * A clash overwrites; the size never grows.
 */

const SLOTS = 4096;
const MAX_BYTES = 14; // longer words are rare and not kept
const MAX_IDS = 8;
const STRIDE = 2 + MAX_BYTES + MAX_IDS; // byte count, id count, bytes, ids

export class WordCache {
  readonly #slots = new Int32Array(SLOTS * STRIDE);

  /** Where the word of `length` byte ids is or would be kept, or -1 when it is too long. */
  slotOf(word: Int32Array, length: number): number {
    if (length > MAX_BYTES) return -1;
    let hash = length;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ word[i], 0x9e3779b1) ^ (hash >>> 13);
    return ((hash ^ (hash >>> 15)) & (SLOTS - 1)) * STRIDE;
  }

  /** Copies the ids kept for `word` to `ids` from `offset` on and returns their number; 0 when it is not kept. */
  read(slot: number, word: Int32Array, length: number, ids: Int32Array, offset: number): number {
    const slots = this.#slots;
    if (slots[slot] !== length) return 0;
    const key = slot + 2;
    for (let i = 0; i < length; i++) if (slots[key + i] !== word[i]) return 0;
    const count = slots[slot + 1];
    for (let i = 0; i < count; i++) ids[offset + i] = slots[key + MAX_BYTES + i];
    return count;
  }

  /** First step of keeping a word: its bytes, before they are merged in place. `writeIds` completes it. */
  writeWord(slot: number, word: Int32Array, length: number): void {
    const slots = this.#slots;
    slots[slot] = length;
    for (let i = 0; i < length; i++) slots[slot + 2 + i] = word[i];
  }

  writeIds(slot: number, ids: Int32Array, count: number): void {
    const slots = this.#slots;
    slots[slot + 1] = count;
    if (count > MAX_IDS) slots[slot] = 0;
    else for (let i = 0; i < count; i++) slots[slot + 2 + MAX_BYTES + i] = ids[i];
  }
}
