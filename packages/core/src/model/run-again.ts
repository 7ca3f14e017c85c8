/**
 * After a failure of the worker or the device: everything anew on the same device, on the next one when that fails too,
 * and the call repeated. Loaded when it happens.
 */
import { MclipError } from '../errors.js';
import type { DeviceName } from '../platform.js';
import type { Candidates } from './auto-devices.js';
import type { Device } from './device.js';
import { type Computing, type Host, isFailure, LostRun, type Restart, type Work } from './host.js';

/** Repetitions of one call: on the same device anew, and on the next. */
const MOST_ATTEMPTS = 2;
/** Without a call in between that went well. */
const MOST_RESTARTS = 4;
/** For calls under way on a lost device, which may hang; milliseconds. */
const PATIENCE = 2000;
const FAILED_AGAIN = 'What computes for this model failed, and starting it again did not help';

/** @throws {MclipError} `WORKER` or `DEVICE_LOST` when it fails for good, or cannot be repeated. */
export async function runAgain<E extends Computing, T>(
  host: Host<E>,
  failed: E,
  work: Work<E, T>,
  error: MclipError,
  repeatable: () => boolean,
): Promise<T> {
  let engine = failed;
  let before = error;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const replacing = replaced(host, { failed: engine, error: before, demote: attempt > 0 });
    replacing.catch(() => {}); // where nobody waits, the next call hears of it
    if (!repeatable() && !(before instanceof LostRun)) throw before;
    engine = await replacing;
    try {
      return await host.attempt(engine, work, before);
    } catch (next) {
      if (!isFailure(engine, next)) throw next;
      before = next;
    }
  }
  throw before;
}

/** The engine in place of a failed one: calls that failed together share one restart. */
export function replaced<E extends Computing>(host: Host<E>, restart: Restart<E>): Promise<E> {
  const { failed } = restart;
  const known = host.replacements.get(failed);
  if (known !== undefined) return known;
  const replacing = startOver(host, restart).then(
    (engine) => {
      host.broken = null;
      return engine;
    },
    (error) => {
      host.replacements.delete(failed); // the next call tries again
      host.broken = error;
      throw error;
    },
  );
  host.replacements.set(failed, replacing);
  host.engine = replacing.catch(() => failed);
  return replacing;
}

async function startOver<E extends Computing>(host: Host<E>, restart: Restart<E>): Promise<E> {
  const { failed, error } = restart;
  if (++host.restarts > MOST_RESTARTS) {
    throw new MclipError(error.code, `${error.message} ${MOST_RESTARTS} restarts in a row did not help.`, {
      cause: error,
    });
  }
  // they fail as well, and bring back what they had computed
  await atMost(Promise.allSettled(host.underWay));
  await atMost(failed.dispose());
  await failed.abandon();
  return host.restart(restart).catch((cause: MclipError) => {
    if (cause.code !== 'DEVICE_UNAVAILABLE') throw cause;
    throw new MclipError(error.code, `${FAILED_AGAIN}: ${cause.message}`, { cause });
  });
}

async function atMost(work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE);
  });
  await Promise.race([work, patience]).catch(() => {});
  clearTimeout(timer!);
}

/**
 * Where a model goes on after a failure.
 *
 * @throws {MclipError} the failure itself when there is nowhere left
 */
export function remaining(
  device: Device,
  asked: 'auto' | DeviceName,
  all: readonly DeviceName[],
  { error, demote }: { error: MclipError; demote: boolean },
): Candidates {
  const { name, rejected } = device;
  const after = asked === 'auto' ? all.slice(all.indexOf(name) + 1) : [];
  if (!demote) return { devices: [name, ...after], rejected };
  if (after.length === 0) throw error;
  return { devices: after, rejected: [...rejected, { name, why: `it failed while running: ${error.message}` }] };
}
