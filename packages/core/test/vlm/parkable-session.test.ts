import { expect, test } from 'vitest';
import type { Session } from '../../src/platform.js';
import { parkableSession } from '../../src/vlm/parkable-session.js';

function counted() {
  const log: string[] = [];
  let made = 0;
  const create = async () => {
    const number = ++made;
    log.push(`create ${number}`);
    return {
      inputNames: ['in'],
      outputNames: ['out'],
      inputMetadata: [],
      run: async (feeds: object) => {
        log.push(`run ${number} ${Object.keys(feeds)}`);
        return {};
      },
      release: async () => void log.push(`release ${number}`),
    } as unknown as Session;
  };
  return { log, create };
}

test('it is there at once, leaves when parked, and comes back with the next run', async () => {
  const { log, create } = counted();
  const session = await parkableSession(create);
  expect([session.inputNames, session.outputNames]).toEqual([['in'], ['out']]);
  await session.run({ a: null! });
  await session.park();
  await session.park();
  expect(log).toEqual(['create 1', 'run 1 a', 'release 1']);
  await session.run({ b: null! });
  await session.run({ c: null! });
  await session.release();
  expect(log.slice(3)).toEqual(['create 2', 'run 2 b', 'run 2 c', 'release 2']);
});

test('a failure to come back is the run’s, and the one after tries again', async () => {
  const { create } = counted();
  let fails = false;
  const session = await parkableSession(() => (fails ? Promise.reject(new Error('no memory')) : create()));
  await session.park();
  fails = true;
  await expect(session.run({})).rejects.toThrow('no memory');
  fails = false;
  expect(await session.run({})).toEqual({});
});
