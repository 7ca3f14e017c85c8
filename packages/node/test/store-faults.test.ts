/** Whatever a network does, a model file arrives whole or not at all. Each test names the fault that it is about. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { sha256 } from '../../../test/support/hub.js';
import { fetchFile } from '../src/model-store.js';
import {
  always,
  CONTENT,
  expectWhole,
  faults,
  fetches,
  file,
  get,
  hub,
  NAME,
  parts,
  SIZE,
  STALL,
  sent,
  settings,
} from './support/faulty-store.js';

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
  await expectWhole(await get(STALL));
  expect(fetches().map(({ from }) => from)).toEqual([0, 400_000]);
  expect(fetches()[0]!.isOpen).toBe(false);
});

test('a server that gives nothing at all is given up', async () => {
  always({ do: 'stall', at: 0 });
  const given = get({ stallTimeout: 300, retries: 1 });
  await expect(given).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('0.3') });
  expect(fetches()).toHaveLength(2);
});

test('a slow drip is left in peace', async () => {
  always({ do: 'drip', bytes: 50_000, ms: 100 }); // in all longer than a stall
  await expectWhole(await get(STALL));
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
  await expectWhole(await get(STALL));
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
  const outcome = await get(STALL);
  await expectWhole(outcome);
  expect(fetches().map(({ from }) => from)).toEqual([0, 700_000]);
});

test('a changed ETag: the part is of another version and starts over', async () => {
  const other = randomBytes(SIZE);
  const versionTwo = { do: 'etag', etag: '"two"', bytes: other } as const;
  faults({ do: 'stall', at: 700_000 }, versionTwo, versionTwo);
  const { path } = await get(STALL, { ...file, sha256: null });
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

test('416 for a part that is whole: nothing is missing', async () => {
  const unknown = { ...file, bytes: null };
  // the length is hidden: the connection breaks after the last byte, and only the server knows that it was the last
  faults({ do: 'cut', to: SIZE });
  const broken: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (response.status !== 200 || response.headers.has('location')) return response;
    let isFirst = true;
    const whole = new Uint8Array(await response.arrayBuffer());
    const body = new ReadableStream({
      pull(controller) {
        if (isFirst) controller.enqueue(whole);
        else controller.error(new Error('reset'));
        isFirst = false;
      },
    });
    return new Response(body, { headers: { etag: response.headers.get('etag')! } });
  };
  await expectWhole(await get({ fetch: broken }, unknown));
  expect(fetches().map(({ from }) => from)).toEqual([0, SIZE]);
});

test('bytes of another place than asked for are not put behind the part', async () => {
  const unhashed = { ...file, sha256: null }; // a hash would tell later
  faults({ do: 'stall', at: 600_000 });
  let shifted = 0;
  const confused: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (response.status !== 206 || shifted++ > 0) return response;
    const headers = new Headers(response.headers);
    headers.set('content-range', `bytes 500000-${SIZE - 1}/${SIZE}`);
    return new Response(response.body, { status: 206, headers });
  };
  await expectWhole(await get({ ...STALL, fetch: confused }, unhashed));
  expect(shifted).toBe(1);
  expect(fetches().map(({ from }) => from)).toEqual([0, 600_000, 0]);
});

test('without a hash and an ETag nothing tells that the rest is of the same file: everything is taken again', async () => {
  const unknown = { ...file, bytes: null, sha256: null };
  const silent: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (response.body === null) return response;
    const headers = new Headers(response.headers);
    headers.delete('etag');
    return new Response(response.body, { status: response.status, headers });
  };
  always({ do: 'drop', at: 600_000 });
  await expect(get({ fetch: silent, retries: 0 }, unknown)).rejects.toMatchObject({ code: 'NETWORK' });
  const other = randomBytes(SIZE);
  hub.files.set(NAME, other);
  hub.fault = () => null;
  const { path } = await get({ fetch: silent }, unknown);
  expect(sha256(await readFile(path))).toBe(sha256(other));
  expect(fetches().map(({ from }) => from)).toEqual([0, 0]);
});

test('a web page in place of a file is a file that is not there', async () => {
  always({ do: 'page' });
  await expect(get()).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', message: expect.stringContaining(NAME) });
  expect(await parts()).toEqual([]);
});

test.each(['a published hash', 'none'])('416: a part longer than the file is thrown away (%s)', async (hash) => {
  faults({ do: 'stall', at: 900_000 }, { do: 'resize', to: 1000 });
  await expectWhole(await get(STALL, { ...file, bytes: null, ...(hash === 'none' && { sha256: null }) }));
  expect(fetches().map(({ from }) => from)).toEqual([0, 900_000, 0]);
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
  await fetchFile(file, { settings: settings(STALL), onBytes: progress.of(NAME) });
  expect(seen.length).toBeGreaterThan(10);
  for (const [index, { loadedBytes, totalBytes }] of seen.entries()) {
    expect(loadedBytes).toBeGreaterThanOrEqual(seen[index - 1]?.loadedBytes ?? 0);
    expect(totalBytes).toBe(SIZE);
  }
  expect(seen.at(-1)!.loadedBytes).toBe(SIZE);
});

test('aborting keeps what came for the next start, and nothing else', async () => {
  always({ do: 'drip', bytes: 100_000, ms: 20 });
  const controller = new AbortController();
  const reason = new Error('enough');
  const onBytes = (loaded: number) => {
    if (loaded > 300_000) controller.abort(reason);
  };
  const getting = fetchFile(file, { settings: settings(), signal: controller.signal, onBytes });
  await expect(getting).rejects.toBe(reason);
  expect((await parts()).map((name) => name.split('.').pop())).toEqual(['part']);
  await expect.poll(() => hub.requests.filter(({ isOpen }) => isOpen)).toEqual([]);
  hub.fault = () => null;
  await expectWhole(await get());
  expect(fetches().at(-1)!.from).toBeGreaterThanOrEqual(300_000);
});
