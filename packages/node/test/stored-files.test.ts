/** What is stored is given out only when it is what it should be, and fetched again when it is not. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { sha256 } from '../../../test/support/hub.js';
import { fetchText } from '../src/model-store.js';
import {
  CONTENT,
  cacheDir,
  expectWhole,
  fetches,
  file,
  get,
  hub,
  NAME,
  parts,
  settings,
} from './support/faulty-store.js';

test('a stored file that was changed, cut or replaced is fetched again, never given out', async () => {
  const { path } = await get();
  const time = new Date('2026-01-01'); // that can be set again to the nanosecond
  await utimes(path, time, time);
  await get(); // notes it
  const changes = [
    async () => {
      const bytes = await readFile(path);
      bytes[123_456]! ^= 1;
      await writeFile(path, bytes); // the same size
      await utimes(path, time, time); // and the same time
    },
    () => writeFile(path, CONTENT.subarray(0, 5000)),
    () => rm(path),
  ];
  for (const change of changes) {
    await change();
    hub.requests.length = 0;
    await expectWhole(await get());
    expect(fetches()).toHaveLength(1);
  }
  // touched, not changed: looked at again, and found to be well
  await utimes(path, new Date(), new Date());
  hub.requests.length = 0;
  await expectWhole(await get());
  expect(hub.requests).toEqual([]);
});

test('a damaged journal costs a look at the file, not a download', async () => {
  await get();
  const [name] = (await readdir(join(cacheDir, 'store'))).filter((entry) => entry.endsWith('.json'));
  for (const text of ['', '{"url":', 'null', '7', '[]', '{}', JSON.stringify({ url: file.url, file: 'x', part: 3 })]) {
    await writeFile(join(cacheDir, 'store', name!), text);
    hub.requests.length = 0;
    await expectWhole(await get());
    expect(hub.requests).toEqual([]);
  }
});

test('without a published hash the first download counts', async () => {
  const unhashed = { ...file, bytes: null, sha256: null };
  const { path } = await get({}, unhashed);
  const bytes = await readFile(path);
  bytes[7]! ^= 1;
  await writeFile(path, bytes);
  hub.requests.length = 0;
  await expectWhole(await get({}, unhashed));
  expect(fetches()).toHaveLength(1);
});

test('another version of a file replaces the one that is stored', async () => {
  await get();
  const other = randomBytes(2000);
  hub.files.set(NAME, other);
  const { path } = await get({}, { ...file, bytes: 2000, sha256: sha256(other) });
  expect(
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  ).toBe(sha256(other));
});

test('text is asked for again whatever the clock says: in the same millisecond, or set back by a day', async () => {
  const url = `${hub.url}/me/big/resolve/main/mclip.json`;
  const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now());
  await fetchText(url, { settings: settings() });
  for (const [text, back] of [
    ['{"second":2}', 0],
    ['{"third":3}', 86_400_000],
  ] as const) {
    now.mockReturnValue(Date.now() - back);
    hub.files.set('mclip.json', Buffer.from(text));
    expect(await fetchText(url, { settings: settings() })).toBe(text);
  }
  now.mockRestore();
});

test('text: kept, limited in size, and used when the hub is down', async () => {
  const url = `${hub.url}/me/big/resolve/main/mclip.json`;
  const text = await fetchText(url, { settings: settings() });
  expect(JSON.parse(text!).task).toBe('clip');
  hub.files.set('mclip.json', Buffer.from('{"new":1}'));
  expect(await fetchText(url, { settings: settings(), keep: true })).toBe(text);
  expect(await fetchText(url, { settings: settings() })).toBe('{"new":1}');
  hub.fault = () => ({ do: 'status', status: 503 });
  hub.requests.length = 0;
  expect(await fetchText(url, { settings: settings() })).toBe('{"new":1}');
  expect(hub.requests).toHaveLength(1); // one try, since there is something to fall back on
  hub.fault = () => null;
  hub.files.set('mclip.json', Buffer.alloc(40 << 20, 32));
  await expect(fetchText(url, { settings: settings() })).rejects.toMatchObject({ code: 'MODEL_CORRUPT' });
  expect(await fetchText(`${url}.none`, { settings: settings() })).toBeNull();
  expect(await parts()).toEqual([]);
});
