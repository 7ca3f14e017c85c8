/**
 * A lock between processes: a file that only one of them can create. It tells who holds it, and is touched while it is
 * held. Of a process that died, or sleeps for long, it is inherited: exactly one process can create the heir's file, as
 * it is named after the dead one's token. So holders form a chain of which the last one counts, and a file is removed by
 * nobody but the last holder, the first one first. Who lost the lock finds out before the next write.
 */
import { createHash, randomUUID } from 'node:crypto';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { WaitOptions } from '@mclip/core/adapter';
import { nullWhenMissing } from './storage-error.js';

const HEARTBEAT = 2000; // ms
/** Without a heartbeat for so long, by the waiting process' own clock, the holder is taken for dead. */
export const STALE = 10_000;
const LONGEST_POLL = 250;

export class LostLock extends Error {}

export class FileLock {
  readonly #first: string;
  readonly #token: string;
  readonly #heartbeat: NodeJS.Timeout;
  #checkedAt = Date.now();

  private constructor(first: string, own: string, token: string) {
    this.#first = first;
    this.#token = token;
    this.#heartbeat = setInterval(() => void utimes(own, new Date(), new Date()).catch(() => {}), HEARTBEAT).unref();
  }

  /** @throws the signal's reason, or what the file system says */
  static async acquire(path: string, { signal, onWait }: WaitOptions): Promise<FileLock> {
    const watch = new HolderWatch();
    for (let poll = 10; ; poll = Math.min(LONGEST_POLL, poll * 2)) {
      signal?.throwIfAborted();
      const token = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
      if (await create(path, token)) return new FileLock(path, path, token);
      const holders = await chain(path);
      const last = holders.at(-1);
      if (last === undefined) continue;
      if (watch.isDead(last)) {
        const own = heirOf(path, last.token);
        if (!(await create(own, token))) continue;
        if ((await readHolder(path))?.token === holders[0]!.token) return new FileLock(path, own, token);
        await rm(own, { force: true }); // the chain was given up in the meantime
      } else {
        onWait?.();
        await new Promise((resolve) => setTimeout(resolve, poll * (0.5 + Math.random() / 2)));
      }
    }
  }

  /** @throws {LostLock} when somebody inherited it. Cheap to call often. */
  async check(): Promise<void> {
    if (Date.now() - this.#checkedAt < HEARTBEAT) return;
    if ((await chain(this.#first)).at(-1)?.token !== this.#token) throw new LostLock();
    this.#checkedAt = Date.now();
  }

  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    const holders = await chain(this.#first).catch(() => []);
    if (holders.at(-1)?.token !== this.#token) return;
    for (const { path } of holders) await rm(path, { force: true });
  }
}

/** Whether somebody who lives holds it. */
export async function isHeld(path: string): Promise<boolean> {
  const last = (await chain(path)).at(-1);
  return last !== undefined && !new HolderWatch().isDead(last) && Date.now() - last.beat < STALE;
}

interface Holder {
  path: string;
  token: string;
  /** Modification time: only its changes count, whatever clock the disk has. */
  beat: number;
}

class HolderWatch {
  #last: Holder | null = null;
  #since = 0;

  isDead(holder: Holder): boolean {
    const isNew = holder.token !== this.#last?.token || holder.beat !== this.#last.beat;
    if (isNew) this.#since = performance.now();
    this.#last = holder;
    return hasDied(holder.token) || performance.now() - this.#since > STALE;
  }
}

/** For certain: a process of this machine that is gone. */
function hasDied(token: string): boolean {
  try {
    const { pid, host } = JSON.parse(token);
    if (host !== hostname() || typeof pid !== 'number') return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'; // a token half written is no proof
  }
}

async function create(path: string, token: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(token).finally(() => handle.close());
    } catch (error) {
      await rm(path, { force: true }); // a full disk
      throw error;
    }
    return true;
  } catch (error) {
    // Windows answers EPERM while a file is being removed
    if (['EEXIST', 'EPERM'].includes((error as NodeJS.ErrnoException).code!) && (await readHolder(path)) !== null) {
      return false;
    }
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false; // gone again
    throw error;
  }
}

/** Who created the file, who inherited it, and so on. */
async function chain(path: string): Promise<Holder[]> {
  const holders: Holder[] = [];
  for (let next = path; ; next = heirOf(path, holders.at(-1)!.token)) {
    const holder = await readHolder(next);
    if (holder === null) return holders;
    holders.push(holder);
  }
}

export const heirOf = (path: string, token: string) =>
  `${path}.${createHash('sha256').update(token).digest('hex').slice(0, 16)}`;

async function readHolder(path: string): Promise<Holder | null> {
  const [token, seen] = await Promise.all([
    readFile(path, 'utf8').catch(nullWhenMissing),
    stat(path).catch(nullWhenMissing),
  ]);
  return token === null || seen === null ? null : { path, token, beat: seen.mtimeMs };
}
