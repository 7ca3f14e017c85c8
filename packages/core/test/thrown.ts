import { expect } from 'vitest';
import { MclipError, type MclipErrorCode } from '../src/errors.js';

/** The `MclipError` that `run` throws; anything else, or nothing, fails the test. */
export function thrown(code: MclipErrorCode, run: () => unknown): MclipError {
  let result: unknown;
  try {
    result = run();
  } catch (error) {
    return checked(code, error);
  }
  return expect.fail(`expected ${code}, but it returned ${JSON.stringify(result)}`);
}

/** The `MclipError` that a promise rejects with. */
export async function rejection(code: MclipErrorCode, promise: Promise<unknown>): Promise<MclipError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in outcome) return checked(code, outcome.error);
  return expect.fail(`expected ${code}, but it resolved to ${JSON.stringify(outcome.value)}`);
}

function checked(code: MclipErrorCode, error: unknown): MclipError {
  if (!(error instanceof MclipError)) throw error;
  expect(error.code, error.message).toBe(code);
  return error;
}
