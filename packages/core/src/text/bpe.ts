/**
 * Byte-level byte-pair encoding on token ids: the byte alphabet, the table of merges, and the merge loop. Text is turned
 * into one id per byte elsewhere; here adjacent ids are merged, lowest rank first and leftmost among equals, until no
 * pair is in the table. Reference: `bpe` of OpenAI CLIP's simple_tokenizer.py, which merges all places of the best pair
 * before it looks for the next; the same result, because a merge's product only occurs in merges of higher rank.
 */

const NO_MERGE = 0x7fffffff;
const SHORT_WORD = 48; // bytes; up to here shifting the tail costs less than keeping a heap
const SLOT = 3; // left id, right id, rank

/** Printable stand-in of each byte, as in GPT-2's published vocabularies: the character itself, or one from U+0100 on. */
export function byteAlphabet(): string[] {
  let shifted = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : shifted++);
  });
}

/** Bytes in the order in which CLIP numbers them: the printable ones, then the others. */
export function clipByteOrder(): number[] {
  const alphabet = byteAlphabet();
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return [...bytes.filter((b) => alphabet[b] < '\u0100'), ...bytes.filter((b) => alphabet[b] >= '\u0100')];
}

/** The merges: left[rank], right[rank] -> merged[rank], found by pair through an open-addressing table. */
export class MergeTable {
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #merged: Int32Array;
  #ranks = new Int32Array(SHORT_WORD); // rank of the pair that starts at each symbol, while a short word is merged

  constructor(left: Int32Array, right: Int32Array, merged: Int32Array) {
    let capacity = 16;
    while (capacity < left.length * 2) capacity *= 2;
    this.#slots = new Int32Array(capacity * SLOT).fill(-1);
    this.#mask = capacity - 1;
    this.#merged = merged;
    insertAll(this.#slots, this.#mask, left, right);
  }

  #rankOf(left: number, right: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hashPair(left, right) & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot * SLOT];
      if (found === left && slots[slot * SLOT + 1] === right) return slots[slot * SLOT + 2];
      if (found === -1) return NO_MERGE;
    }
  }

  /** Merges `symbols[0 … length)` in place and returns the new length. */
  merge(symbols: Int32Array, length: number): number {
    return length <= SHORT_WORD ? this.#mergeShort(symbols, length) : this.#mergeLong(symbols, length);
  }

  #mergeShort(symbols: Int32Array, length: number): number {
    const ranks = this.#ranks;
    const merged = this.#merged;
    let last = length - 1;
    for (let i = 0; i < last; i++) ranks[i] = this.#rankOf(symbols[i], symbols[i + 1]);
    while (last > 0) {
      let best = 0;
      for (let i = 1; i < last; i++) if (ranks[i] < ranks[best]) best = i;
      if (ranks[best] === NO_MERGE) break;

      symbols[best] = merged[ranks[best]];
      last--;
      for (let i = best + 1; i <= last; i++) {
        symbols[i] = symbols[i + 1];
        ranks[i - 1] = ranks[i];
      }
      if (best > 0) ranks[best - 1] = this.#rankOf(symbols[best - 1], symbols[best]);
      if (best < last) ranks[best] = this.#rankOf(symbols[best], symbols[best + 1]);
    }
    return last + 1;
  }

  /** Linked list of symbols and a heap of (rank, position): n log n, for words that are whole documents. */
  #mergeLong(symbols: Int32Array, length: number): number {
    const next = Int32Array.from({ length }, (_, i) => (i + 1 < length ? i + 1 : -1));
    const previous = Int32Array.from({ length }, (_, i) => i - 1);
    const heap = new MinHeap(length * 2);
    const push = (at: number): void => {
      const rank = this.#rankOf(symbols[at], symbols[next[at]]);
      if (rank !== NO_MERGE) heap.push(rank, at);
    };
    for (let i = 0; i < length - 1; i++) push(i);
    while (heap.size > 0) {
      const rank = heap.topRank;
      const at = heap.topPosition;
      heap.pop();
      // entries go stale when a neighbour is merged first
      const after = next[at];
      if (symbols[at] === -1 || after === -1 || this.#rankOf(symbols[at], symbols[after]) !== rank) continue;

      symbols[at] = this.#merged[rank];
      symbols[after] = -1;
      next[at] = next[after];
      if (next[at] !== -1) {
        previous[next[at]] = at;
        push(at);
      }
      if (previous[at] !== -1) push(previous[at]);
    }
    return dropMerged(symbols, length);
  }
}

function insertAll(slots: Int32Array, mask: number, left: Int32Array, right: Int32Array): void {
  for (let rank = 0; rank < left.length; rank++) {
    let slot = hashPair(left[rank], right[rank]) & mask;
    while (
      slots[slot * SLOT] !== -1 &&
      !(slots[slot * SLOT] === left[rank] && slots[slot * SLOT + 1] === right[rank])
    ) {
      slot = (slot + 1) & mask;
    }
    slots[slot * SLOT] = left[rank];
    slots[slot * SLOT + 1] = right[rank];
    slots[slot * SLOT + 2] = rank;
  }
}

function hashPair(left: number, right: number): number {
  const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return hash ^ (hash >>> 15);
}

function dropMerged(symbols: Int32Array, length: number): number {
  let kept = 0;
  for (let i = 0; i < length; i++) if (symbols[i] !== -1) symbols[kept++] = symbols[i];
  return kept;
}

/** Binary heap of pairs, lowest rank first, then lowest position; a pair is packed in one double (20 + 32 bits). */
class MinHeap {
  #entries: Float64Array;
  size = 0;

  constructor(capacity: number) {
    this.#entries = new Float64Array(capacity);
  }

  get topRank(): number {
    return Math.floor(this.#entries[0] / 0x100000000);
  }

  get topPosition(): number {
    return this.#entries[0] % 0x100000000;
  }

  push(rank: number, position: number): void {
    if (this.size === this.#entries.length) {
      const grown = new Float64Array(this.size * 2);
      grown.set(this.#entries);
      this.#entries = grown;
    }
    const entries = this.#entries;
    const entry = rank * 0x100000000 + position;
    let child = this.size++;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (entries[parent] <= entry) break;
      entries[child] = entries[parent];
      child = parent;
    }
    entries[child] = entry;
  }

  pop(): void {
    const entries = this.#entries;
    const size = --this.size;
    const entry = entries[size];
    let parent = 0;
    for (let child = 1; child < size; child = 2 * parent + 1) {
      if (child + 1 < size && entries[child + 1] < entries[child]) child++;
      if (entries[child] >= entry) break;
      entries[parent] = entries[child];
      parent = child;
    }
    entries[parent] = entry;
  }
}
