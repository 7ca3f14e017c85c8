/** The store in Chromium against a hub of another origin that does what networks do. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Fault, type Hub, startHub } from '../../../test/support/hub.js';
import { launchChromium, openPage } from './support/browser.js';
import { startServer, type TestServer } from './support/server.js';

const NAME = 'vision.w8.onnx';

let browser: Browser;
let server: TestServer;
let hub: Hub;
let page: Page;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), startServer()]);
});

afterAll(() => Promise.all([browser?.close(), server?.close()]));

beforeEach(async () => {
  hub = await startHub();
  page = await openPage(await browser.newContext(), server.origin); // nothing is stored
});

afterEach(async () => {
  await page.context().close();
  await hub.close();
});

interface Outcome {
  error?: { code?: string; message: string };
  /** Length of an embedding. */
  dim?: number;
  progress: { loadedBytes: number; totalBytes: number | null }[];
}

/** Loads the vision graph of nano from the hub, looks at a picture, and lets go of it. */
function load(on: Page = page, settings: object = {}, abortAt: number | null = null): Promise<Outcome> {
  return on.evaluate(
    async ({ hubUrl, settings, abortAt }) => {
      const progress: Outcome['progress'] = [];
      const controller = new AbortController();
      const onProgress = (report: { phase: string }) => {
        const { loadedBytes, totalBytes } = report as unknown as Outcome['progress'][0];
        if (report.phase === 'download') progress.push({ loadedBytes, totalBytes });
        if (abortAt !== null && loadedBytes >= abortAt) controller.abort(new Error('enough'));
      };
      const { error, value } = await attempt(async () => {
        const options = { model: 'someone/nano', hubUrl, stallTimeout: 500, retries: 3, ...settings };
        const embedder = await mclip.createEmbedder({ ...options, onProgress, signal: controller.signal });
        const picture = await (await fetch('/examples/node-classify/images/cat.png')).blob();
        const { length } = await embedder.encodeImage(picture);
        await embedder.dispose();
        return length;
      });
      return { progress, ...(error !== undefined && { error }), ...(value !== undefined && { dim: value }) };
    },
    { hubUrl: hub.url, settings, abortAt },
  );
}

/** What a page of this origin finds stored: names of files, ends of journals. */
const stored = (on: Page = page) =>
  on.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip');
    const names: string[] = [];
    for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
    return names;
  });

type Entries = { entries(): AsyncIterable<[string, FileSystemFileHandle]> };

const storedSizes = () =>
  page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip');
    const sizes: Record<string, number> = {};
    for await (const [name, handle] of (folder as unknown as Entries).entries()) {
      sizes[name] = (await handle.getFile()).size;
    }
    return sizes;
  });

/** A bit of the graph is another. */
const damageStored = () =>
  page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip');
    for await (const [name, handle] of (folder as unknown as Entries).entries()) {
      if (!name.endsWith('.file')) continue;
      const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
      if (bytes.length < 1_000_000) continue;
      bytes[1000]! ^= 1;
      const writable = await handle.createWritable();
      await writable.write(bytes);
      await writable.close();
    }
  });

const heldLocks = (on: Page = page) => on.evaluate(async () => (await navigator.locks.query()).held!.length);
const parts = async (on: Page = page) => (await stored(on)).filter((name) => name.includes('.part.'));

const fetches = () => hub.requests.filter(({ server, name }) => server === 'cdn' && name === NAME);
const size = () => hub.files.get(NAME)!.length;
const sent = () => fetches().reduce((sum, request) => sum + request.sent, 0);

/** The CDN's answers, first one first; after the last fault all is well. */
function faults(...list: Fault[]) {
  hub.fault = ({ server, name, before }) => (server === 'cdn' && name === NAME ? (list[before] ?? null) : null);
}
const always = (fault: Fault) => {
  hub.fault = ({ server, name }) => (server === 'cdn' && name === NAME ? fault : null);
};

async function expectLoaded(outcome: Outcome) {
  expect(outcome.error).toBeUndefined();
  expect(outcome.dim).toBe(128);
  const { progress } = outcome;
  for (const [index, { loadedBytes, totalBytes }] of progress.entries()) {
    expect(loadedBytes).toBeGreaterThanOrEqual(progress[index - 1]?.loadedBytes ?? 0);
    expect(totalBytes).toBe(size());
  }
  expect(progress.at(-1)!.loadedBytes).toBe(size());
  expect(await heldLocks()).toBe(0);
  // a preflight is a request that many servers refuse
  expect(hub.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
}

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
  const other = await openPage(page.context(), server.origin);
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

test('a stored file that was changed is fetched again', async () => {
  await expectLoaded(await load());
  await damageStored();
  hub.requests.length = 0;
  await expectLoaded(await load());
  expect(fetches()).toHaveLength(1);
});

test('two pages at once: each file is fetched exactly once', async () => {
  always({ do: 'drip', bytes: Math.ceil(size() / 10), ms: 50 });
  const other = await openPage(page.context(), server.origin);
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
}, 180_000);

test('a full quota is a typed error with the sizes, unless old models may go', async () => {
  const devtools = await page.context().newCDPSession(page);
  const setQuota = (quotaSize: number) =>
    devtools.send('Storage.overrideQuotaForOrigin', { origin: server.origin, quotaSize });
  await setQuota(1_500_000);
  const { error } = await load();
  expect(error).toMatchObject({
    code: 'STORAGE',
    message: expect.stringMatching(/[\d.]+ of [\d.]+ MB are used.*evict/),
  });
  await setQuota(size() * 2.5);
  await expectLoaded(await load());
  const full = await load(page, { model: 'someone/other' });
  expect(full.error?.code).toBe('STORAGE');
  await expectLoaded(await load(page, { model: 'someone/other', evict: true }));
  hub.requests.length = 0;
  await setQuota(100_000_000);
  await load(page, { model: 'someone/other' });
  expect(hub.requests).toEqual([]);
  await load();
  expect(fetches()).toHaveLength(1); // it had gone
}, 120_000);

test('what will not fit is refused before its first byte, after more room was asked for', async () => {
  await page.evaluate(() => {
    Object.assign(globalThis, { asked: 0 });
    navigator.storage.estimate = async () => ({ usage: 1_000_000, quota: 2_000_000 });
    navigator.storage.persist = async () => {
      (globalThis as unknown as { asked: number }).asked++;
      return false;
    };
  });
  const { error } = await load();
  expect(error).toMatchObject({
    code: 'STORAGE',
    message: expect.stringMatching(/needs [\d.]+ MB and there is room for 0\.5 MB/), // half: there are two copies for a moment
  });
  expect(fetches()).toEqual([]);
  expect(await page.evaluate(() => (globalThis as unknown as { asked: number }).asked)).toBe(1);
});

test('what is stored is listed, checked and removed, and a download under way is known of', async () => {
  always({ do: 'drip', bytes: Math.ceil(size() / 20), ms: 100 });
  const onPage = (what: 'tell' | 'list' | 'verify' | 'remove') =>
    page.evaluate(
      async ({ what, hubUrl }) => {
        if (what === 'tell') return mclip.availability('someone/nano', { hubUrl });
        if (what === 'verify') return (await mclip.models.verify('someone/nano')).damaged;
        if (what === 'remove') return mclip.models.remove('someone/nano');
        return (await mclip.models.list()).map(({ id, bytes, complete }) => ({ id, complete, isLarge: bytes > 1e6 }));
      },
      { what, hubUrl: hub.url },
    );
  expect(await onPage('tell')).toBe('downloadable');
  const loading = load();
  await expect.poll(() => onPage('tell'), { timeout: 10_000, interval: 50 }).toBe('downloading');
  await expectLoaded(await loading);
  expect(await onPage('tell')).toBe('downloadable'); // the text tower is not here
  expect(await onPage('list')).toEqual([{ id: 'someone/nano', complete: true, isLarge: true }]);
  expect(await onPage('verify')).toEqual([]);
  await damageStored();
  expect(await onPage('verify')).toEqual([expect.stringContaining(NAME)]);
  expect(await onPage('remove')).toBe(true);
  expect(await onPage('remove')).toBe(false);
  expect(await stored()).toEqual([]);
});

test('a disk that fills up while a file without a size is fetched', async () => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: server.origin, quotaSize: 900_000 });
  const manifest = JSON.parse(hub.files.get('mclip.json')!.toString());
  manifest.graphs.vision.files.w8 = { file: NAME, bytes: null, sha256: null };
  hub.files.set('mclip.json', Buffer.from(JSON.stringify(manifest)));
  const { error } = await load(page, { model: `${hub.cdnUrl}/cdn/someone/nano` });
  expect(error).toMatchObject({ code: 'STORAGE', message: expect.stringContaining('MB are used') });
  expect(await heldLocks()).toBe(0);
  expect(Object.entries(await storedSizes()).filter(([, bytes]) => bytes === 0)).toEqual([]); // no empty file in its place
});

test.each([
  ['the Cache API', true],
  ["the page's memory", false],
])('without a private file system, %s holds models', async (_, hasCache) => {
  const other = await page.context().newPage();
  await other.addInitScript((hasCache) => {
    Reflect.deleteProperty(FileSystemFileHandle.prototype, 'createWritable');
    if (!hasCache) Reflect.deleteProperty(globalThis, 'caches');
    if (!hasCache) Object.defineProperty(globalThis, 'caches', { value: undefined });
  }, hasCache);
  await other.goto(server.origin);
  await other.waitForFunction(() => 'mclip' in globalThis);
  faults({ do: 'stall', at: 400_000 }, { do: 'flip', at: 500_000 });
  await expectLoaded(await load(other));
  expect(fetches().map(({ from }) => from)).toEqual([0, 400_000, 0]);
  hub.fault = () => null;
  hub.requests.length = 0;
  await expectLoaded(await load(other, { offline: true }));
  expect(hub.requests).toEqual([]);
  await other.reload();
  await other.waitForFunction(() => 'mclip' in globalThis);
  await expectLoaded(await load(other));
  expect(fetches()).toHaveLength(hasCache ? 0 : 1);
  if (!hasCache) return;
  // nothing tells when an entry was written: it is hashed each time
  await other.evaluate(async () => {
    const cache = await caches.open('mclip');
    for (const request of await cache.keys()) {
      const bytes = new Uint8Array(await (await cache.match(request))!.arrayBuffer());
      if (!request.url.endsWith('.file') || bytes.length < 1_000_000) continue;
      bytes[1000]! ^= 1;
      await cache.put(request, new Response(bytes));
    }
  });
  await expectLoaded(await load(other));
  expect(fetches()).toHaveLength(1);
});
