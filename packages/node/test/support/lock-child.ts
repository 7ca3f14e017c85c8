/** A process that takes one lock after the other, as they are named in argv, and tells of how many it was not alone with. */
import { open, rm } from 'node:fs/promises';
import { FileLock } from '../../src/store/file-lock.js';

async function main(paths: string[]) {
  let shared = 0;
  for (const path of paths) {
    const lock = await FileLock.acquire(path, {});
    const inside = await open(`${path}.inside`, 'wx').catch(() => null);
    if (inside === null) shared++;
    await new Promise((resolve) => setTimeout(resolve, 3));
    await inside?.close();
    await rm(`${path}.inside`, { force: true });
    await lock.release();
  }
  return shared;
}

// all start in the same moment
process.stdin.once('data', async () => {
  console.log(await main(process.argv.slice(2)));
  process.exit();
});
console.log('ready');
