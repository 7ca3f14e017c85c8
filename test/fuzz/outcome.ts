/** What may come of any input: a result that is valid, or an error of ours. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { MclipError } from '../../packages/core/src/errors.js';
import { watched } from './watchdog.js';

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
  /** Bytes that the second half of the inputs left behind: of JavaScript, and of the process. */
  growth: number;
  residentGrowth: number;
}

/** Of processor time, so that a busy machine is no failure. */
const MOST_MS = 2000;
/** Caches and the test runner's own records, as long as they are warm: 0.3 MB were seen. */
const MOST_GROWTH = 1 << 20;
/** What allocators keep differs from run to run. */
const MOST_RESIDENT_GROWTH = 32 << 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** @throws with the input and the seed, when an input is answered by anything else, too slowly, or leaves memory behind */
export async function fuzz<T>({ name, inputs, use }: Target<T>, count: number, seed: number): Promise<Outcome> {
  const outcome: Outcome = { inputs: 0, valid: 0, errors: {}, slowestMs: 0, growth: 0, residentGrowth: 0 };
  using watchdog = watched(name);
  const property = fc.asyncProperty(inputs, async (input) => {
    const before = process.cpuUsage();
    watchdog.next(input);
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
  const after = used();
  outcome.growth = after.script - between.script;
  outcome.residentGrowth = after.resident - between.resident;
  if (outcome.growth > MOST_GROWTH || outcome.residentGrowth > MOST_RESIDENT_GROWTH) {
    const [script, resident] = [outcome.growth, outcome.residentGrowth].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    throw new Error(`${half} inputs (seed ${seed + 1}) left ${script} MB (process: ${resident} MB) behind.`);
  }
  return outcome;
}

function used(): { script: number; resident: number } {
  collectGarbage();
  collectGarbage();
  const { used_heap_size, external_memory } = getHeapStatistics();
  return { script: used_heap_size + external_memory, resident: process.memoryUsage.rss() };
}
