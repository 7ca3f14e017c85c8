/** The lock that processes share: one holder at a time, also when many find the file of one that died. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { childScript } from '../../../test/support/fetch-process.js';
import { FileLock, heirOf, LostLock, STALE } from '../src/store/file-lock.js';

const gone = spawnSync(process.execPath, ['-e', '']).pid;
let script: string;

beforeAll(async () => {
  script = await childScript(fileURLToPath(new URL('./support/lock-child.ts', import.meta.url)));
});
afterAll(() => rm(join(script, '..'), { recursive: true }));

test('a lock that is held for longer than the dead are waited for stays its holder’s', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mclip-lock-'));
  const path = join(folder, 'long.lock');
  const first = await FileLock.acquire(path, {});
  let isTaken = false;
  const second = FileLock.acquire(path, {}).then((lock) => {
    isTaken = true;
    return lock;
  });
  await sleep(STALE + 2500);
  expect(isTaken).toBe(false);
  await first.release();
  await (await second).release();
  expect(await readdir(folder)).toEqual([]);
  await rm(folder, { recursive: true });
}, 60_000);

test('who was taken for dead finds out before the next write, and removes nothing of the heir', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mclip-lock-'));
  const path = join(folder, 'inherited.lock');
  const lock = await FileLock.acquire(path, {});
  await lock.check();
  const heir = heirOf(path, await readFile(path, 'utf8'));
  await writeFile(heir, JSON.stringify({ pid: process.pid, host: hostname(), id: 'heir' }));
  await sleep(2500); // it looks once in two seconds
  await expect(lock.check()).rejects.toBeInstanceOf(LostLock);
  await lock.release();
  expect((await readdir(folder)).length).toBe(2);
  await rm(folder, { recursive: true });
});

test.each([
  ['nobody', 0],
  ['one that died', 1],
  ['one that died, and of two heirs that died too', 3],
])(
  'of 10 processes that want the lock of %s, each has it alone',
  async (_, dead) => {
    const folder = await mkdtemp(join(tmpdir(), 'mclip-lock-'));
    const locks = Array.from({ length: 60 }, (_, index) => join(folder, `${index}.lock`));
    for (const path of locks) {
      for (let own = path, generation = 0; generation < dead; generation++) {
        const token = JSON.stringify({ pid: gone, host: hostname(), id: generation });
        await writeFile(own, token);
        own = heirOf(path, token);
      }
    }
    const children = Array.from({ length: 10 }, () => spawn(process.execPath, [script, ...locks]));
    await Promise.all(children.map(({ stdout }) => once(stdout, 'data')));
    const shared = children.map(async ({ stdin, stdout }) => {
      stdin.write('go');
      return Number(String((await once(stdout, 'data'))[0]));
    });
    expect(await Promise.all(shared)).toEqual(children.map(() => 0));
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  },
  60_000,
);
