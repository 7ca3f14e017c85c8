/**
 * What was looked at and said, by number: pictures with the beginnings of conversations about them, and chats with their
 * caches. A picture's beginning is computed on first use; a chat can take back its last turn.
 */
import { MclipError } from '../errors.js';
import type { KvCache } from './kv-cache.js';

interface PictureState {
  /** [tokens, hidden] */
  features: Float32Array;
  /** By system text: the conversation up to the end of the picture. */
  prefixes: Map<string, Promise<KvCache>>;
  users: number;
  forgotten: boolean;
}

export interface ChatState {
  turns: number;
  cache: KvCache;
  /** Ids of the last answer that `cache` has not seen. */
  unfed: number[];
  /** All ids so far. */
  history: number[];
}

export class Conversations {
  readonly #prefill: (features: Float32Array, system: string) => Promise<KvCache>;
  readonly #pictures = new Map<number, PictureState>();
  /** After the last two turns: the caller may abort a turn that has just ended here. */
  readonly #chats = new Map<number, ChatState[]>();
  #ended = false;

  /** @param prefill computes the conversation up to the end of a picture */
  constructor(prefill: (features: Float32Array, system: string) => Promise<KvCache>) {
    this.#prefill = prefill;
  }

  /** @param features [tokens, hidden] */
  addPicture(number: number, features: Float32Array): void {
    this.#pictures.set(number, { features, prefixes: new Map(), users: 0, forgotten: false });
  }

  /** Lends the conversation up to the end of the picture, computed on first use and kept with the picture. */
  async withPrefix<T>(picture: number, system: string, work: (prefix: KvCache) => Promise<T>): Promise<T> {
    const state = this.#pictures.get(picture);
    if (state === undefined)
      throw new MclipError('DISPOSED', 'This encoded image was disposed; encode the image again.');
    state.users++;
    try {
      let prefix = state.prefixes.get(system);
      if (prefix === undefined) {
        prefix = this.#prefill(state.features, system);
        state.prefixes.set(system, prefix);
        prefix.catch(() => state.prefixes.delete(system)); // a later question may try again
      }
      return await work(await prefix);
    } finally {
      state.users--;
      freeWhenUnused(state);
    }
  }

  forgetPicture(number: number): void {
    const state = this.#pictures.get(number);
    this.#pictures.delete(number);
    if (state === undefined) return;
    state.forgotten = true;
    freeWhenUnused(state);
  }

  /** The chat after as many turns as its caller knows of; turns it has not seen are undone, and older ones freed. */
  chatAfter(number: number, turns: number): ChatState | undefined {
    const states = this.#chats.get(number) ?? [];
    const known = states.filter((state) => state.turns === turns);
    for (const state of states) if (!known.includes(state)) state.cache.dispose();
    this.#chats.set(number, known);
    return known[0];
  }

  /** Keeps a chat after one more turn, and as it was before that. */
  addTurn(number: number, before: ChatState | undefined, after: ChatState): void {
    if (this.#ended) after.cache.dispose();
    else this.#chats.set(number, before === undefined ? [after] : [before, after]);
  }

  forgetChat(number: number): void {
    for (const { cache } of this.#chats.get(number) ?? []) cache.dispose();
    this.#chats.delete(number);
  }

  /** Nothing is kept from here on; `forgetAll` frees what is. */
  end(): void {
    this.#ended = true;
  }

  forgetAll(): void {
    for (const chat of [...this.#chats.keys()]) this.forgetChat(chat);
    for (const picture of [...this.#pictures.keys()]) this.forgetPicture(picture);
  }
}

function freeWhenUnused({ forgotten, users, prefixes }: PictureState): void {
  if (!forgotten || users > 0) return;
  for (const prefix of prefixes.values()) prefix.then((cache) => cache.dispose()).catch(() => {});
  prefixes.clear();
}
