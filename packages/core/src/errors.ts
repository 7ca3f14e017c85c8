/**
 * The one error class of the library. Callers branch on `code`, people read `message`, which names the offending
 * value and the way out. Codes are stable and survive the worker boundary (`toWireError`, `fromWireError`).
 */

export type MclipErrorCode =
  | 'MODEL_NOT_FOUND'
  | 'MODEL_CORRUPT'
  | 'NETWORK'
  | 'OFFLINE'
  | 'IMAGE_DECODE'
  | 'IMAGE_TOO_LARGE'
  | 'INVALID_ARGUMENT'
  | 'DEVICE_UNAVAILABLE'
  | 'DEVICE_LOST'
  | 'OUT_OF_MEMORY'
  | 'STORAGE'
  | 'WORKER'
  | 'DISPOSED';

const BRAND = Symbol.for('mclip.error');

export class MclipError extends Error {
  override readonly name = 'MclipError';
  readonly code: MclipErrorCode;
  readonly [BRAND] = true;

  constructor(code: MclipErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** True for an error of any installed copy of this package, where `instanceof` may not be. */
  static isInstance(value: unknown): value is MclipError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
  }
}

/** A caller's mistake: an `INVALID_ARGUMENT` error. */
export function invalid(message: string, options?: { cause?: unknown }): MclipError {
  return new MclipError('INVALID_ARGUMENT', message, options);
}

/** A caller's value for a message: short, and never an error of its own (BigInt, cycles, deep nesting). */
export function shown(value: unknown, length = 60): string {
  try {
    const written = typeof value === 'number' ? String(value) : JSON.stringify(value); // JSON has no NaN
    return (written ?? String(value)).slice(0, length);
  } catch {
    return text(value).slice(0, length);
  }
}

/** `String(value)`, also for an object that has no text. */
function text(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** An error as plain data, for `postMessage`. */
export interface WireError {
  code: MclipErrorCode | null;
  name: string;
  message: string;
  cause: string | null;
}

export function toWireError(error: unknown): WireError {
  const { name, message, cause } = error instanceof Error ? error : new Error(text(error));
  const code = MclipError.isInstance(error) ? error.code : null;
  return { code, name, message, cause: cause === undefined ? null : text(cause) };
}

/** An unexpected error (a bug, or the runtime's own) arrives as code `WORKER` with its message kept. */
export function fromWireError(wire: WireError): MclipError {
  const message = wire.code === null ? `${wire.name}: ${wire.message}` : wire.message;
  return new MclipError(wire.code ?? 'WORKER', message, wire.cause === null ? undefined : { cause: wire.cause });
}
