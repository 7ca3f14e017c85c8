/** What may come of any input: a result that is valid, or an error of ours. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { MclipError } from '../../packages/core/src/errors.js';

export interface Target<T> {
  name: string;
  /** Of a thousand inputs. */
  share: number;
  inputs: fc.Arbitrary<T>;
  /** Uses the input, and throws an Error that is not an `MclipError` when the result is not valid. */
  use(input: T): unknown;
}

export interface Outcome {
  inputs: number;
  valid: number;
  errors: Record<string, number>;
  slowestMs: number;
  /** Bytes that the second half of the inputs left behind. */
  growth: number;
}

/** Of processor time, so that a busy machine is no failure. */
const MOST_MS = 2000;
/** Caches and the test runner's own records. */
const MOST_GROWTH = 24 << 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** @throws with the input and the seed, when an input is answered by anything else, too slowly, or leaves memory behind */
export async function fuzz<T>({ inputs, use }: Target<T>, count: number, seed: number): Promise<Outcome> {
  const outcome: Outcome = { inputs: 0, valid: 0, errors: {}, slowestMs: 0, growth: 0 };
  const property = fc.asyncProperty(inputs, async (input) => {
    const before = process.cpuUsage();
    try {
      await use(input);
      outcome.valid++;
    } catch (error) {
      if (!MclipError.isInstance(error)) throw error; // of any copy of the package
      outcome.errors[error.code] = (outcome.errors[error.code] ?? 0) + 1;
    }
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1000;
    outcome.inputs++;
    outcome.slowestMs = Math.max(outcome.slowestMs, ms);
    if (ms > MOST_MS) throw new Error(`This input took ${ms.toFixed(0)} ms.`);
  });
  const half = Math.max(1, Math.ceil(count / 2));
  const run = (from: number) => fc.assert(property, { numRuns: half, seed: from, endOnFailure: true });
  await run(seed);
  const between = used();
  await run(seed + 1);
  outcome.growth = used() - between;
  if (outcome.growth > MOST_GROWTH) {
    throw new Error(`${half} inputs (seed ${seed + 1}) left ${(outcome.growth / 2 ** 20).toFixed(1)} MB behind.`);
  }
  return outcome;
}

function used(): number {
  collectGarbage();
  collectGarbage();
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
