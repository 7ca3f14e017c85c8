import { MclipError, type MclipErrorCode, shown } from '../errors.js';

/** What is read: named in errors. */
export interface JsonOrigin {
  code: MclipErrorCode;
  /** Where it came from, or what it is not. */
  from: string;
  /** All of it. */
  whole: string;
}

/** A cursor into untrusted JSON that knows its own path. */
export class JsonReader {
  readonly #origin: JsonOrigin;
  readonly #path: string;
  readonly value: unknown;

  constructor(origin: JsonOrigin, value: unknown, path = '') {
    this.#origin = origin;
    this.#path = path;
    this.value = value;
  }

  field(name: string): JsonReader {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) this.fail('an object');
    const value = Object.hasOwn(this.value, name) ? (this.value as Record<string, unknown>)[name] : undefined;
    return new JsonReader(this.#origin, value, this.#path === '' ? name : `${this.#path}.${name}`);
  }

  or<D, T>(fallback: D, parse: (at: JsonReader) => T): D | T {
    return this.value === undefined || this.value === null ? fallback : parse(this);
  }

  string(): string {
    return typeof this.value === 'string' && this.value !== '' ? this.value : this.fail('a non-empty string');
  }

  number(accept: (value: number) => boolean = () => true): number {
    const { value } = this;
    return typeof value === 'number' && Number.isFinite(value) && accept(value)
      ? value
      : this.fail('a number in range');
  }

  positiveInteger(largest = Number.MAX_SAFE_INTEGER): number {
    const { value } = this;
    return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= largest
      ? (value as number)
      : this.fail(`a positive integer, at most ${largest}`);
  }

  numbers(length: number, accept?: (value: number) => boolean): number[] {
    if (!Array.isArray(this.value) || this.value.length !== length) this.fail(`${length} numbers`);
    return Array.from(this.value as unknown[], (value, index) =>
      new JsonReader(this.#origin, value, `${this.#path}[${index}]`).number(accept),
    );
  }

  /** At least one item. */
  list<T>(parse: (at: JsonReader) => T): T[] {
    if (!Array.isArray(this.value) || this.value.length === 0) this.fail('a list that is not empty');
    return Array.from(this.value as unknown[], (value, index) =>
      parse(new JsonReader(this.#origin, value, `${this.#path}[${index}]`)),
    );
  }

  oneOf<const T extends string | number>(allowed: readonly T[]): T {
    return allowed.includes(this.value as T) ? (this.value as T) : this.fail(allowed.join(' or '));
  }

  sha256(): string {
    return typeof this.value === 'string' && /^[0-9a-f]{64}$/.test(this.value)
      ? this.value
      : this.fail('64 lower-case hex digits');
  }

  /** A path that cannot leave the model's folder, on any system. */
  relativePath(): string {
    const path = this.string();
    // nor be a device of Windows, which also drops dots at the end of a name
    const safe = path
      .split('/')
      .every((part) => /^[\w.-]*[\w-]$/.test(part) && !/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(part));
    return safe ? path : this.fail('a path below the model folder made of letters, digits, "-", "_", "." and "/"');
  }

  fail(expected: string): never {
    const value = this.value === undefined ? 'nothing' : shown(this.value, 80);
    const { code, from, whole } = this.#origin;
    throw new MclipError(code, `${from}: ${this.#path || whole} must be ${expected}, got ${value}.`);
  }
}
