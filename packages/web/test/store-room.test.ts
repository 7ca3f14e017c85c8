/** What Chromium keeps of models and where, and what happens when there is no room. */
import { expect, test } from 'vitest';
import {
  always,
  damageStored,
  expectLoaded,
  faults,
  fetches,
  heldLocks,
  hub,
  load,
  NAME,
  page,
  site,
  size,
  stored,
  storedSizes,
} from './support/faulty-store.js';

test('a stored file that was changed is fetched again', async () => {
  await expectLoaded(await load());
  await damageStored();
  hub.requests.length = 0;
  await expectLoaded(await load());
  expect(fetches()).toHaveLength(1);
});

test('a full quota is a typed error with the sizes, unless old models may go', async () => {
  const devtools = await page.context().newCDPSession(page);
  const setQuota = (quotaSize: number) =>
    devtools.send('Storage.overrideQuotaForOrigin', { origin: site.plain.origin, quotaSize });
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
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.plain.origin, quotaSize: 900_000 });
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
  await other.goto(site.plain.origin);
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
