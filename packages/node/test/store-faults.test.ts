/** Whatever a network does, a model file arrives whole or not at all. Each test names the fault that it is about. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '@mclip/core';
import { type FetchedFile, resolveSettings } from '@mclip/core/adapter';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Fault, type Hub, type HubRequest, sha256, startHub } from '../../../test/support/hub.js';
import { fetchFile, fetchText } from '../src/model-store.js';

const SIZE = 1_000_003;
const NAME = 'big.onnx';
const CONTENT = randomBytes(SIZE);

let hub: Hub;
let cacheDir: string;
let file: FetchedFile;

beforeEach(async () => {
  hub = await startHub();
  hub.files.set(NAME, CONTENT);
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-store-'));
  file = { url: `${hub.url}/me/big/resolve/main/${NAME}`, bytes: SIZE, sha256: sha256(CONTENT), model: 'me/big' };
});

afterEach(async () => {
  await hub.close();
  await rm(cacheDir, { recursive: true });
});

const settings = (more: Settings = {}) => resolveSettings({ cacheDir, stallTimeout: 300, retries: 3, ...more });

interface Outcome {
  reports: { loaded: number; total: number | null }[];
  path: string;
}

async function get(more: Settings = {}, wanted = file, signal?: AbortSignal): Promise<Outcome> {
  const reports: Outcome['reports'] = [];
  const onBytes = (loaded: number, total: number | null) => reports.push({ loaded, total });
  const path = await fetchFile(wanted, { settings: settings(more), onBytes, signal });
  return { reports, path: path as string };
}

/** The CDN's answers to requests for the file, first one first; after the last fault all is well. */
function faults(...list: (Fault | null)[]) {
  hub.fault = ({ server, name, before }) => (server === 'cdn' && name === NAME ? (list[before] ?? null) : null);
}

const always = (fault: Fault) => {
  hub.fault = ({ server, name }) => (server === 'cdn' && name === NAME ? fault : null);
};

const fetches = () => hub.requests.filter(({ server, name }) => server === 'cdn' && name === NAME);
const sent = (requests: HubRequest[]) => requests.reduce((sum, request) => sum + request.sent, 0);
const parts = async () => (await readdir(join(cacheDir, 'store'))).filter((name) => !name.endsWith('.json'));

async function expectWhole({ path }: Outcome) {
  expect(sha256(await readFile(path))).toBe(sha256(CONTENT));
  expect(await parts()).toEqual([]); // no part, no lock
}

test('a file without trouble: one request, exact progress, and none the second time', async () => {
  const first = await get();
  await expectWhole(first);
  expect(fetches()).toHaveLength(1);
  expect(first.reports[0]).toEqual({ loaded: 0, total: SIZE });
  expect(first.reports.at(-1)).toEqual({ loaded: SIZE, total: SIZE });
  hub.requests.length = 0;
  const second = await get();
  expect(second.reports).toEqual([{ loaded: SIZE, total: SIZE }]);
  await get({ offline: true });
  expect(hub.requests).toEqual([]);
});

test('a dropped connection is resumed where it broke, over and over', async () => {
  const at = [100_000, 300_000, 550_000, 700_000, 800_000, 900_000];
  faults(...at.map((byte) => ({ do: 'drop', at: byte }) as const));
  const outcome = await get({ retries: 2 });
  await expectWhole(outcome);
  // what had arrived and was not read yet is lost with the connection
  const from = fetches().map((request) => request.from);
  expect(from).toHaveLength(at.length + 1);
  at.forEach((byte, index) => {
    expect(from[index + 1]).toBeGreaterThan(byte - 65_536);
    expect(from[index + 1]).toBeLessThanOrEqual(byte);
  });
  expect(fetches()[1]!.headers['if-range']).toBe(`"${sha256(CONTENT).slice(0, 16)}"`);
  expect(sent(fetches())).toBeLessThan(SIZE + at.length * 65_536);
});

test('a break at 90 % in one start is resumed by the next: at most 11 % is fetched again', async () => {
  const large = randomBytes(20_000_000);
  hub.files.set(NAME, large);
  const wanted = { ...file, bytes: large.length, sha256: sha256(large) };
  always({ do: 'drop', at: large.length * 0.9 });
  await expect(get({ retries: 0 }, wanted)).rejects.toMatchObject({ code: 'NETWORK' });
  hub.fault = () => null;
  hub.requests.length = 0;
  const { reports, path } = await get({}, wanted);
  expect(sha256(await readFile(path))).toBe(wanted.sha256);
  const again = sent(fetches()) / large.length;
  console.log(`fetched after a break at 90 %: ${(again * 100).toFixed(2)} % of the file`);
  expect(again).toBeLessThanOrEqual(0.11);
  expect(reports[0]!.loaded).toBe(fetches()[0]!.from);
});

test('a stall is told from a slow server', async () => {
  faults({ do: 'stall', at: 400_000 });
  await expectWhole(await get());
  expect(fetches().map(({ from }) => from)).toEqual([0, 400_000]);
  expect(fetches()[0]!.isOpen).toBe(false);
});

test('a server that gives nothing at all is given up', async () => {
  always({ do: 'stall', at: 0 });
  await expect(get({ retries: 1 })).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('0.3') });
  expect(fetches()).toHaveLength(2);
});

test('a slow drip is left in peace', async () => {
  always({ do: 'drip', bytes: 100_000, ms: 100 });
  await expectWhole(await get());
  expect(fetches()).toHaveLength(1);
});

test('wrong bytes are thrown away and fetched once more', async () => {
  faults({ do: 'flip', at: 500_000 });
  await expectWhole(await get());
  expect(fetches().map(({ from }) => from)).toEqual([0, 0]);
});

test('wrong bytes twice are a typed error that names the hashes, and nothing of them is kept', async () => {
  always({ do: 'flip', at: 500_000 });
  await expect(get()).rejects.toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringContaining(file.sha256!) });
  expect(fetches()).toHaveLength(2);
  hub.fault = () => null;
  hub.requests.length = 0;
  await expectWhole(await get());
  expect(fetches().map(({ from }) => from)).toEqual([0]);
});

test('wrong bytes after a resume: the part is not trusted', async () => {
  faults({ do: 'stall', at: 500_000 }, { do: 'flip', at: 600_000 });
  await expectWhole(await get());
  expect(fetches().map(({ from }) => from)).toEqual([0, 500_000, 0]);
});

test.each([SIZE - 1, SIZE + 1, 10])('a file of %i bytes is refused before its bytes flow', async (to) => {
  always({ do: 'resize', to });
  let loaded = 0;
  const onBytes = (bytes: number) => {
    loaded = Math.max(loaded, bytes);
  };
  await expect(fetchFile(file, { settings: settings(), onBytes })).rejects.toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringContaining(`${to} bytes`),
  });
  expect(loaded).toBe(0);
  expect(await parts()).toEqual([]);
});

test('a file that is longer than it says is cut off', async () => {
  hub.files.set(NAME, Buffer.concat([CONTENT, randomBytes(5_000_000)]));
  always({ do: 'cut', to: SIZE + 5_000_000 }); // no length is announced
  await expect(get()).rejects.toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringContaining('longer') });
  expect(await parts()).toEqual([]);
});

test('a body that ends early is continued', async () => {
  faults({ do: 'cut', to: 600_000 });
  await expectWhole(await get());
  expect(fetches().map(({ from }) => from)).toEqual([0, 600_000]);
});

test('Range ignored: everything is taken again', async () => {
  faults({ do: 'stall', at: 700_000 }, { do: 'ignore-range' });
  const outcome = await get();
  await expectWhole(outcome);
  expect(fetches().map(({ from }) => from)).toEqual([0, 700_000]);
});

test('a changed ETag: the part is of another version and starts over', async () => {
  const other = randomBytes(SIZE);
  const versionTwo = { do: 'etag', etag: '"two"', bytes: other } as const;
  faults({ do: 'stall', at: 700_000 }, versionTwo, versionTwo);
  const { path } = await get({}, { ...file, sha256: null });
  expect(sha256(await readFile(path))).toBe(sha256(other));
});

test('a server that takes no If-Range, and has changed: noticed by the ETag of the answer', async () => {
  const other = randomBytes(SIZE);
  const versionTwo = { do: 'etag', etag: 'W/"two"', bytes: other } as const;
  faults({ do: 'etag', etag: 'W/"one"' }, versionTwo, versionTwo);
  const broken: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (response.headers.get('etag') !== 'W/"one"') return response;
    const half = new Uint8Array(await response.arrayBuffer()).slice(0, SIZE / 2);
    const headers = { etag: 'W/"one"', 'content-length': String(SIZE) };
    let isFirst = true;
    const body = new ReadableStream({
      pull(controller) {
        if (isFirst) controller.enqueue(half);
        else controller.error(new Error('reset'));
        isFirst = false;
      },
    });
    return new Response(body, { headers });
  };
  const { path } = await get({ fetch: broken }, { ...file, sha256: null });
  expect(fetches()[1]!.headers['if-range']).toBeUndefined();
  expect(fetches().map(({ from }) => from)).toEqual([0, Math.floor(SIZE / 2), 0]);
  expect(sha256(await readFile(path))).toBe(sha256(other));
});

test('416: a part longer than the file is thrown away', async () => {
  faults({ do: 'stall', at: 900_000 }, { do: 'resize', to: 1000 });
  await expectWhole(await get({}, { ...file, bytes: null }));
  expect(fetches().map(({ from }) => from)).toEqual([0, 900_000, 0]);
});

test.each([408, 429, 500, 502, 503, 504])('status %i is tried again', async (status) => {
  faults({ do: 'status', status }, { do: 'status', status });
  await expectWhole(await get());
  expect(fetches()).toHaveLength(3);
});

test.each([
  [401, 'NETWORK', 'headers'],
  [403, 'NETWORK', '403'],
  [404, 'MODEL_NOT_FOUND', NAME],
])('status %i is not', async (status, code, part) => {
  always({ do: 'status', status });
  await expect(get()).rejects.toMatchObject({ code, message: expect.stringContaining(part) });
  expect(fetches()).toHaveLength(1);
  expect(await parts()).toEqual([]);
});

test('tries are bounded', async () => {
  always({ do: 'status', status: 503 });
  await expect(get({ retries: 2 })).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('503') });
  expect(fetches()).toHaveLength(3);
});

test('tries that gain next to nothing are bounded too', async () => {
  hub.fault = ({ server, before }) => (server === 'cdn' ? { do: 'drop', at: 10 * (before + 1) } : null);
  await expect(get({ retries: 2 })).rejects.toMatchObject({ code: 'NETWORK' });
  expect(fetches()).toHaveLength(3);
});

test.each([
  ['seconds', () => '1'],
  ['a date', () => new Date(Date.now() + 2000).toUTCString()],
])('Retry-After in %s is waited for', async (_, header) => {
  faults({ do: 'status', status: 429, headers: { 'retry-after': header() } });
  const start = performance.now();
  await expectWhole(await get());
  expect(performance.now() - start).toBeGreaterThan(900);
});

test('Retry-After beyond reason is an error that says so', async () => {
  faults({ do: 'status', status: 503, headers: { 'retry-after': '3600' } });
  await expect(get()).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('3600 seconds') });
});

test('a hub that cannot be reached', async () => {
  const wanted = { ...file, url: 'http://127.0.0.1:9/big.onnx' };
  await expect(get({ retries: 1 }, wanted)).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('127.0.0.1:9'),
  });
});

test('redirects are followed, loops are not', async () => {
  hub.fault = ({ server }) => (server === 'hub' ? { do: 'redirect', to: file.url } : null);
  await expect(get()).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('redirects') });
  expect(hub.requests).toHaveLength(11);
});

test('no header of the caller follows a redirect to another origin', async () => {
  const headers = { authorization: 'Bearer secret', 'x-api-key': 'secret', cookie: 'secret' };
  faults({ do: 'drop', at: 500_000 });
  await expectWhole(await get({ headers }));
  const at = (server: string) => hub.requests.filter((request) => request.server === server);
  for (const request of at('hub')) expect(request.headers).toMatchObject(headers);
  expect(at('cdn')).toHaveLength(2);
  for (const request of at('cdn')) expect(JSON.stringify(request.headers)).not.toContain('secret');
});

test.each([
  ['http://example.com/big.onnx', 'allowHttp'],
  ['http://127.0.0.1.example.com/big.onnx', 'allowHttp'],
  ['ftp://example.com/big.onnx', 'Only http'],
])('%s is refused', async (url, part) => {
  const refuse = async () => {
    throw new Error('was asked for');
  };
  const refused = get({ fetch: refuse }, { ...file, url });
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(part) });
});

test('http: is allowed when asked for, and a redirect to it is not otherwise', async () => {
  const answer: typeof fetch = async () => new Response(CONTENT);
  await get({ fetch: answer, allowHttp: true }, { ...file, url: 'http://example.com/big.onnx' });
  const redirect: typeof fetch = async () =>
    new Response(null, { status: 302, headers: { location: 'http://example.com/y' } });
  const led = get({ fetch: redirect }, { ...file, url: 'https://example.com/x.onnx' });
  await expect(led).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('allowHttp') });
});

test('progress never goes backwards, whatever happens, and its total stays', async () => {
  faults(
    { do: 'drop', at: 600_000 },
    { do: 'ignore-range' },
    { do: 'drop', at: 300_000 },
    { do: 'flip', at: SIZE - 10 },
    { do: 'stall', at: 500_000 },
  );
  const { DownloadProgress } = await import('../../core/src/model/progress.js');
  const seen: { loadedBytes: number; totalBytes: number | null }[] = [];
  const progress = new DownloadProgress(
    (report) => report.phase === 'download' && seen.push(report),
    [{ file: NAME, bytes: SIZE }],
  );
  await fetchFile(file, { settings: settings(), onBytes: progress.of(NAME) });
  expect(seen.length).toBeGreaterThan(10);
  for (const [index, { loadedBytes, totalBytes }] of seen.entries()) {
    expect(loadedBytes).toBeGreaterThanOrEqual(seen[index - 1]?.loadedBytes ?? 0);
    expect(totalBytes).toBe(SIZE);
  }
  expect(seen.at(-1)!.loadedBytes).toBe(SIZE);
});

test('a stored file that was changed, cut or replaced is fetched again, never given out', async () => {
  const { path } = await get();
  const original = await stat(path);
  const changes = [
    async () => {
      const bytes = await readFile(path);
      bytes[123_456]! ^= 1;
      await writeFile(path, bytes); // the same size
      await utimes(path, original.atime, original.mtime); // and the same time
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

test('aborting keeps what came for the next start, and nothing else', async () => {
  always({ do: 'drip', bytes: 100_000, ms: 20 });
  const controller = new AbortController();
  const reason = new Error('enough');
  const getting = get({}, file, controller.signal);
  await expect.poll(() => sent(fetches())).toBeGreaterThan(300_000);
  controller.abort(reason);
  await expect(getting).rejects.toBe(reason);
  expect((await parts()).map((name) => name.split('.').pop())).toEqual(['part']);
  await expect.poll(() => hub.requests.filter(({ isOpen }) => isOpen)).toEqual([]);
  hub.fault = () => null;
  await expectWhole(await get());
  expect(fetches().at(-1)!.from).toBeGreaterThanOrEqual(300_000);
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
