/** Downloads in Chromium, from a hub of another origin that does what networks do. */
import { expect, test } from 'vitest';
import type { Fault } from '../../../test/support/hub.js';
import { openPage } from './support/browser.js';
import {
  always,
  expectLoaded,
  faults,
  fetches,
  heldLocks,
  hub,
  load,
  NAME,
  page,
  parts,
  sent,
  site,
  size,
} from './support/faulty-store.js';

test('without trouble: each file once, and no request at all the second time', async () => {
  await expectLoaded(await load());
  expect(fetches()).toHaveLength(1);
  expect(await parts()).toEqual([]);
  hub.requests.length = 0;
  await expectLoaded(await load());
  await expectLoaded(await load(page, { offline: true }));
  expect(hub.requests).toEqual([]);
});

test.each([
  ['as a hub sends them', undefined],
  ['without any header that scripts may read', ''],
])('a dropped connection is resumed, %s', async (_, exposed) => {
  if (exposed !== undefined) hub.exposed = exposed;
  const at = [0.2, 0.5, 0.9].map((share) => Math.floor(size() * share));
  faults(...at.map((byte) => ({ do: 'drop', at: byte }) as const));
  await expectLoaded(await load());
  expect(fetches()).toHaveLength(4);
  expect(fetches().every(({ headers, from }) => from > 0 === (headers.range !== undefined))).toBe(true);
  // of what had arrived, Chromium loses the part that the page had not read yet: half a megabyte at most
  expect(sent()).toBeLessThan(size() + 3 * 524_288);
});

test('a tab closed at 90 %: the next one fetches at most 11 %', async () => {
  const big = Buffer.alloc(12_000_000, hub.files.get(NAME)!); // repeated: never a graph, always a file
  hub.files.set(NAME, big);
  const manifest = JSON.parse(hub.files.get('mclip.json')!.toString());
  manifest.graphs.vision.files.w8 = { file: NAME, bytes: null, sha256: null }; // the listing tells
  hub.files.set('mclip.json', Buffer.from(JSON.stringify(manifest)));
  always({ do: 'stall', at: big.length * 0.9 });
  const other = await openPage(page.context(), site.plain.origin);
  load(other, { stallTimeout: 60_000 }).catch(() => {}); // dies with its page
  await expect.poll(sent, { timeout: 20_000 }).toBeGreaterThan(big.length * 0.89);
  await new Promise((resolve) => setTimeout(resolve, 500)); // until it is written
  await other.close();
  hub.fault = () => null;
  hub.requests.length = 0;
  const { progress } = await load();
  const again = sent() / big.length;
  console.log(`fetched after a tab was closed at 90 %: ${(again * 100).toFixed(2)} % of the file`);
  expect(again).toBeLessThanOrEqual(0.11);
  expect(again).toBeGreaterThan(0.09);
  expect(progress.at(-1)!.loadedBytes).toBe(big.length);
});

test('a stall', async () => {
  faults({ do: 'stall', at: 500_000 });
  await expectLoaded(await load());
  expect(fetches()).toHaveLength(2);
  expect(fetches()[1]!.from).toBe(500_000);
});

test('a slow drip is left in peace', async () => {
  always({ do: 'drip', bytes: Math.ceil(size() / 8), ms: 200 });
  await expectLoaded(await load());
  expect(fetches()).toHaveLength(1);
});

test('wrong bytes once, and always', async () => {
  faults({ do: 'flip', at: 100_000 });
  await expectLoaded(await load());
  expect(fetches().map(({ from }) => from)).toEqual([0, 0]);
  await page.evaluate(async () => (await navigator.storage.getDirectory()).removeEntry('mclip', { recursive: true }));
  await page.reload();
  await page.waitForFunction(() => 'mclip' in globalThis);
  always({ do: 'flip', at: 100_000 });
  const { error } = await load();
  expect(error?.code).toBe('MODEL_CORRUPT');
  expect(await parts()).toEqual([]);
});

test.each([
  ['shorter', -1],
  ['longer', 1],
])('a file that is %s than it should be', async (_, by) => {
  always({ do: 'resize', to: size() + by });
  expect((await load()).error?.code).toBe('MODEL_CORRUPT');
  expect(fetches()).toHaveLength(2);
});

test('a file that tells no length, and is longer than it should be, is cut off', async () => {
  hub.files.set(NAME, Buffer.concat([hub.files.get(NAME)!, Buffer.alloc(20_000_000)]));
  always({ do: 'cut', to: size() });
  const { error } = await load();
  expect(error).toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringContaining('longer') });
  expect(sent()).toBeLessThan(2 * size());
});

test('a body that ends early is continued', async () => {
  faults({ do: 'cut', to: 500_000 });
  await expectLoaded(await load());
  expect(fetches().map(({ from }) => from)).toEqual([0, 500_000]);
});

test('Range ignored; another ETag; status 429 and 503', async () => {
  faults(
    { do: 'drop', at: 300_000 },
    { do: 'ignore-range' },
    { do: 'drop', at: 200_000 },
    { do: 'etag', etag: '"two"' },
    { do: 'status', status: 429 },
    { do: 'status', status: 503 },
  );
  await expectLoaded(await load());
});

test('another version of a file without a published hash: the part starts over', async () => {
  const manifest = JSON.parse(hub.files.get('mclip.json')!.toString());
  manifest.graphs.vision.files.w8 = { file: NAME, bytes: null, sha256: null };
  const url = `${hub.cdnUrl}/cdn/someone/nano`; // a plain folder: no listing tells
  hub.files.set('mclip.json', Buffer.from(JSON.stringify(manifest)));
  const two: Fault = { do: 'etag', etag: '"two"' };
  faults({ do: 'stall', at: 300_000 }, two, two);
  const { dim, error } = await load(page, { model: url });
  expect([dim, error]).toEqual([128, undefined]);
  expect(fetches().map(({ from }) => from)).toEqual([0, 300_000, 0]);
});

test.each([
  [403, 'NETWORK'],
  [404, 'MODEL_NOT_FOUND'],
])('status %i is not tried again', async (status, code) => {
  always({ do: 'status', status });
  expect((await load()).error?.code).toBe(code);
  expect(fetches()).toHaveLength(1);
});

test('a redirect loop, and a hub that is gone', async () => {
  hub.fault = ({ server, name, path }) =>
    server === 'hub' && name === NAME ? { do: 'redirect', to: hub.url + path } : null;
  expect((await load(page, { retries: 0 })).error?.code).toBe('NETWORK');
  expect((await load(page, { hubUrl: 'http://127.0.0.1:9', retries: 1 })).error?.code).toBe('NETWORK');
});

test('http: is refused, but from this machine and the own origin', async () => {
  const { error } = await load(page, { model: 'http://models.example/nano' });
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('allowHttp') });
});

test('two pages at once: each file is fetched exactly once', async () => {
  always({ do: 'drip', bytes: Math.ceil(size() / 10), ms: 50 });
  const other = await openPage(page.context(), site.plain.origin);
  const outcomes = await Promise.all([load(page), load(other)]);
  for (const outcome of outcomes) await expectLoaded(outcome);
  const counts = new Map<string, number>();
  for (const { name, sent } of hub.requests) if (sent > 0) counts.set(name, (counts.get(name) ?? 0) + 1);
  expect(Object.fromEntries(counts)).toEqual({ 'mclip.json': 1, [NAME]: 1 });
  expect(hub.requests.filter(({ path }) => path.includes('/revision/'))).toHaveLength(1);
  // who waits sees how far the other one is
  expect(Math.min(...outcomes.map(({ progress }) => progress.length))).toBeGreaterThan(1);
});

test('aborted at 50 random moments: what is left is of use, and nothing runs on', async () => {
  always({ do: 'drip', bytes: Math.ceil(size() / 60), ms: 5 });
  let aborted = 0;
  for (let round = 0; round < 50; round++) {
    const { error, dim } = await load(
      page,
      { stallTimeout: 60_000 },
      Math.random() * size() * (round % 5 === 0 ? 1 : 0.2),
    );
    if (error === undefined) expect(dim).toBe(128);
    else {
      expect(error.message).toBe('enough');
      aborted++;
    }
    await expect.poll(() => heldLocks()).toBe(0);
    await expect.poll(() => hub.requests.filter(({ isOpen }) => isOpen).length).toBe(0);
    if (error === undefined || round % 10 === 9) {
      await expectLoaded(await load());
      expect(await parts()).toEqual([]);
      await page.evaluate(async () => {
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip');
        const names: string[] = [];
        for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
        for (const name of names) await folder.removeEntry(name);
      });
    }
  }
  console.log(`${aborted} of 50 loads were aborted`);
  expect(aborted).toBeGreaterThanOrEqual(40);
  hub.fault = () => null;
  await expectLoaded(await load());
}, 300_000);
