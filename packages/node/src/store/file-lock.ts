/**
 * A lock between processes: a file that only one of them can create. It tells who holds it, and is touched while it is
 * held; of a process that died, or sleeps for long, it is taken away. Who lost it finds out before the next write.
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { WaitOptions } from '@mclip/core/adapter';
import { nullWhenMissing } from './storage-error.js';

const HEARTBEAT = 2000; // ms
/** Without a heartbeat for so long, by the waiting process' own clock, the holder is taken for dead. */
const STALE = 10_000;
const LONGEST_POLL = 250;

export class LostLock extends Error {}

export class FileLock {
  readonly #path: string;
  readonly #token: string;
  readonly #heartbeat: NodeJS.Timeout;
  #checkedAt = Date.now();

  private constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
    this.#heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT).unref();
  }

  /** @throws the signal's reason, or what the file system says */
  static async acquire(path: string, { signal, onWait }: WaitOptions): Promise<FileLock> {
    const watch = new HolderWatch();
    for (let poll = 10; ; poll = Math.min(LONGEST_POLL, poll * 2)) {
      signal?.throwIfAborted();
      const token = newToken();
      if (await create(path, token)) return new FileLock(path, token);
      const holder = await readHolder(path);
      if (holder === null) continue;
      if (watch.isDead(holder)) await takeAway(path, holder.token);
      else {
        onWait?.();
        await new Promise((resolve) => setTimeout(resolve, poll * (0.5 + Math.random() / 2)));
      }
    }
  }

  /** @throws {LostLock} when somebody took it away. Cheap to call often. */
  async check(): Promise<void> {
    if (Date.now() - this.#checkedAt < HEARTBEAT) return;
    if ((await readHolder(this.#path))?.token !== this.#token) throw new LostLock();
    this.#checkedAt = Date.now();
  }

  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    if ((await readHolder(this.#path).catch(() => null))?.token === this.#token) await rm(this.#path, { force: true });
  }
}

/** Whether somebody who lives holds it. */
export async function isHeld(path: string): Promise<boolean> {
  const holder = await readHolder(path);
  return holder !== null && !new HolderWatch().isDead(holder) && Date.now() - holder.beat < STALE;
}

interface Holder {
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

const newToken = () => JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });

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

async function readHolder(path: string): Promise<Holder | null> {
  const [token, seen] = await Promise.all([
    readFile(path, 'utf8').catch(nullWhenMissing),
    stat(path).catch(nullWhenMissing),
  ]);
  return token === null || seen === null ? null : { token, beat: seen.mtimeMs };
}

/**
 * Of several who find the same dead holder only one at a time may remove its file, and only while it is still there:
 * removed by its name alone, it could be the next holder's by then.
 */
async function takeAway(path: string, deadToken: string): Promise<void> {
  const turn = `${path}.turn`;
  if (!(await create(turn, newToken()))) {
    const other = await readHolder(turn);
    const isStuck = other !== null && (hasDied(other.token) || Date.now() - other.beat > STALE);
    if (isStuck) await rm(turn, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 5));
    return;
  }
  try {
    if ((await readHolder(path))?.token === deadToken) await rm(path, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}
