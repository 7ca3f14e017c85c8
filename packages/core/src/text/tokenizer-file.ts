/** What the readers of `tokenizer.json` files share: the object in them, ids, and the error that says what is wrong. */
import { invalid, MclipError, shown } from '../errors.js';

export type Json = Record<string, unknown>;

/** Spellings are kept by id. The widest vocabularies have 260,000; one id of two billion would be a list as long. */
const MOST_IDS = 1 << 22;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export class TokenizerFile {
  readonly #kind: string;

  /** @param kind of tokenizer, as errors call it */
  constructor(kind: string) {
    this.#kind = kind;
  }

  corrupt(reason: string, cause?: unknown): MclipError {
    const message = `Not a usable ${this.#kind} tokenizer.json: ${reason}. Expected the file of a Hugging Face ${this.#kind} tokenizer.`;
    return new MclipError('MODEL_CORRUPT', message, cause === undefined ? undefined : { cause });
  }

  /** The file's object, from its text or from what was parsed of it. */
  object(tokenizerJson: unknown): Json {
    let value = tokenizerJson;
    if (typeof tokenizerJson === 'string') {
      try {
        value = JSON.parse(tokenizerJson);
      } catch (cause) {
        throw this.corrupt('it is not valid JSON', cause);
      }
      if (!isObject(value)) throw this.corrupt('it is no JSON object');
    }
    if (isObject(value)) return value;
    const got = Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value;
    throw invalid(`Expected the contents of a tokenizer.json as a string or a parsed object, got ${got}.`);
  }

  checkedId(token: string, id: unknown): number {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < MOST_IDS) return id as number;
    throw this.corrupt(`the id of ${shown(token)} is ${shown(id)}`);
  }
}
