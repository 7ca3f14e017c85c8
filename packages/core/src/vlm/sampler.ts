/**
 * From logits to the next token. The order of the steps and their edges are those of Hugging Face transformers'
 * `generate`: repetition penalty, temperature, top-k, top-p, min-p, then one draw. Left out: beams, banned words.
 */

export interface SamplingOptions {
  /** 0 (default): always the likeliest token. Above: logits are divided by it before the draw. */
  temperature: number;
  /** Only the `topK` likeliest tokens are drawn from; 0: all. */
  topK: number;
  /** Only the likeliest tokens that together reach this probability; 1: all. */
  topP: number;
  /** Only tokens at least this share as likely as the likeliest; 0: all. */
  minP: number;
  /** Logits of tokens that were there before are divided by it (multiplied, where negative); 1: left alone. */
  repetitionPenalty: number;
  /** Of the draws; the same seed and options give the same text on the same device. */
  seed: number;
}

export class Sampler {
  readonly #options: SamplingOptions;
  readonly #vocabSize: number;
  readonly #random: () => number;
  readonly #ids: Uint32Array; // of the tokens that are left, the first `#count` of them
  #count = 0;

  /** @param vocabSize tokens there are; logits beyond them belong to none */
  constructor(options: SamplingOptions, vocabSize: number) {
    this.#options = options;
    this.#vocabSize = vocabSize;
    this.#random = mulberry32(options.seed);
    this.#ids = new Uint32Array(options.temperature === 0 ? 0 : vocabSize);
  }

  /** @param logits changed by a repetition penalty @param seen tokens of the prompt and the answer so far */
  next(logits: Float32Array, seen: readonly number[]): number {
    const candidates = logits.subarray(0, Math.min(this.#vocabSize, logits.length));
    if (this.#options.repetitionPenalty !== 1) penalise(candidates, seen, this.#options.repetitionPenalty);
    const best = argmax(candidates);
    if (this.#options.temperature === 0) return best;
    return this.#draw(candidates, candidates[best]);
  }

  #draw(logits: Float32Array, highest: number): number {
    const { temperature, topK, topP, minP } = this.#options;
    const weight = (id: number) => Math.exp((logits[id] - highest) / temperature);
    const everything = -Infinity;
    this.#keepAbove(logits, topK > 0 && topK < logits.length ? kthLargest(logits, topK) : everything);
    if (topP < 1) this.#keepNucleus(logits, weight, highest, topP);
    if (minP > 0) this.#keep((id) => weight(id) >= minP);

    const ids = this.#ids.subarray(0, this.#count);
    let total = 0;
    for (const id of ids) total += weight(id);
    let left = this.#random() * total;
    for (const id of ids) {
      left -= weight(id);
      if (left < 0) return id;
    }
    return ids[ids.length - 1];
  }

  #keepAbove(logits: Float32Array, floor: number): void {
    this.#count = 0;
    for (let id = 0; id < logits.length; id++) if (logits[id] >= floor) this.#ids[this.#count++] = id;
  }

  #keep(isKept: (id: number) => boolean): void {
    let count = 0;
    for (let i = 0; i < this.#count; i++) if (isKept(this.#ids[i])) this.#ids[count++] = this.#ids[i];
    this.#count = count;
  }

  /** The likeliest tokens until they weigh `topP` of all that are left; the one that gets there is kept. */
  #keepNucleus(logits: Float32Array, weight: (id: number) => number, highest: number, topP: number): void {
    const left = this.#ids.subarray(0, this.#count);
    let total = 0;
    for (const id of left) total += weight(id);
    // sorting a vocabulary is slow, and nearly all the weight is near the top: the reach grows only if it must
    for (let reach = 16 * this.#options.temperature; ; reach *= 4) {
      const top = left.filter((id) => logits[id] >= highest - reach).sort((a, b) => logits[b] - logits[a] || a - b);
      let kept = 0;
      let mass = 0;
      while (kept < top.length && mass < topP * total) mass += weight(top[kept++]);
      if (mass < topP * total && top.length < left.length && Number.isFinite(reach)) continue;
      this.#count = Math.max(1, kept);
      this.#ids.set(top.subarray(0, this.#count));
      return;
    }
  }
}

function argmax(logits: Float32Array): number {
  let best = 0;
  let highest = logits[0];
  for (let id = 1; id < logits.length; id++) {
    if (logits[id] > highest) {
      highest = logits[id];
      best = id;
    }
  }
  return best;
}

function penalise(logits: Float32Array, seen: readonly number[], penalty: number): void {
  for (const id of new Set(seen)) {
    if (id < logits.length) logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
  }
}

/** Tokens as likely as the k-th stay with it, as in the reference. */
function kthLargest(logits: Float32Array, k: number): number {
  const values = logits.slice();
  let low = 0;
  let high = values.length - 1;
  const target = k - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1];
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i] > pivot) i++;
      while (values[j] < pivot) j--;
      if (i > j) break;
      const swapped = values[i];
      values[i++] = values[j];
      values[j--] = swapped;
    }
    if (target <= j) high = j;
    else if (target >= i) low = i;
    else break;
  }
  return values[target];
}

/** Numbers in [0, 1), Tommy Ettinger's generator: 32 bits of state, the same on every engine. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
