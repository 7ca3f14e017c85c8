/** Processes that are killed, that race, that sit behind a proxy. `npm run test:kill` kills a hundred times. */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FetchedFile } from '@mclip/core/adapter';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Fetching, fetchScript, startFetching } from '../../../test/support/fetch-process.js';
import { type Hub, sha256, startHub } from '../../../test/support/hub.js';
import { isHeld } from '../src/store/file-lock.js';
import { storePaths } from '../src/store/paths.js';

const KILLS = Number(process.env.MCLIP_KILLS ?? 10);
const SIZE = 3_000_000;
const CONTENTS = { 'one.onnx': randomBytes(SIZE), 'two.onnx': randomBytes(SIZE) };

let script: string;
let hub: Hub;
let cacheDir: string;
let files: FetchedFile[];
let texts: string[];

beforeAll(async () => {
  script = await fetchScript();
});

afterAll(() => rm(join(script, '..'), { recursive: true }));

beforeEach(async () => {
  hub = await startHub();
  const base = `${hub.url}/me/big/resolve/main/`;
  for (const [name, bytes] of Object.entries(CONTENTS)) hub.files.set(name, bytes);
  files = Object.entries(CONTENTS).map(([name, bytes]) => ({ url: base + name, bytes: SIZE, sha256: sha256(bytes) }));
  texts = [`${base}mclip.json`];
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-processes-'));
});

afterEach(async () => {
  await hub.close();
  await rm(cacheDir, { recursive: true, force: true });
});

const start = (env?: Record<string, string>) => startFetching(script, { cacheDir, files, texts, retries: 2 }, env);
const drip = (ms: number) => {
  hub.fault = ({ server }) => (server === 'cdn' ? { do: 'drip', bytes: 65_536, ms } : null);
};
const sent = () => hub.requests.reduce((sum, request) => sum + request.sent, 0);
const leftovers = async () => (await readdir(join(cacheDir, 'store'))).filter((name) => !name.endsWith('.json'));

/** Bytes on the disk of downloads that a request must go on with: who has all of them needs none. */
async function keptBytes(): Promise<number> {
  const store = join(cacheDir, 'store');
  const names = await readdir(store).catch(() => [] as string[]);
  const parts = await Promise.all(
    names.filter((name) => name.endsWith('.part')).map((name) => stat(join(store, name))),
  );
  return parts.reduce((sum, { size }) => sum + (size === SIZE ? 0 : size), 0);
}

/** Who was killed between its last byte and the release leaves a lock that nobody minds. */
async function expectNothingLeftBut(killed: ChildProcess) {
  for (const name of await leftovers()) {
    expect(name).toMatch(/\.(lock|tmp)$/);
    if (name.endsWith('.tmp')) continue;
    const path = join(cacheDir, 'store', name);
    expect(await isHeld(path)).toBe(false);
    expect(await readFile(path, 'utf8')).toMatch(new RegExp(`^$|"pid":${killed.pid},`));
  }
}

async function expectComplete({ outcome }: ReturnType<typeof start>) {
  expect(await outcome).toEqual({ hashes: files.map((file) => file.sha256) });
  expect(await leftovers()).toEqual([]);
}

test(
  `killed ${KILLS} times at random moments: each next start completes and verifies`,
  async () => {
    let duringTransfer = 0;
    let withPart = 0;
    for (let round = 0; round < KILLS; round++) {
      await rm(cacheDir, { recursive: true, force: true });
      drip(4);
      hub.requests.length = 0;
      const first = start();
      // a third of them anywhere, the others while bytes come
      if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 600));
      else {
        const at = Math.random() * 2 * SIZE;
        while (sent() < at && first.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      first.child.kill('SIGKILL');
      await first.outcome;
      if (sent() > 0 && sent() < 2 * SIZE) duringTransfer++;
      const kept = await keptBytes();
      if (kept > 0) withPart++;
      hub.fault = () => null;
      hub.requests.length = 0;
      const begun = performance.now();
      expect(await start().outcome).toEqual({ hashes: files.map((file) => file.sha256) });
      expect(performance.now() - begun).toBeLessThan(9000); // the dead one's lock was not waited for
      await expectNothingLeftBut(first.child);
      // every byte that was on the disk is used
      const from = hub.requests
        .filter(({ server, name }) => server === 'cdn' || name === 'mclip.json')
        .map((request) => request.from);
      expect(from.reduce((sum, byte) => sum + byte, 0)).toBe(kept);
    }
    console.log(
      `${KILLS} of ${KILLS} kills recovered: ${duringTransfer} in mid-transfer, ${withPart} with a part to resume`,
    );
    expect(duringTransfer).toBeGreaterThan(KILLS / 3);
  },
  KILLS * 15_000,
);

test.each([
  ['at once', false],
  ['at once, beside the lock of a process that died', true],
])(
  '20 processes start %s: each file is fetched exactly once',
  async (_, hasDead) => {
    drip(5);
    let dead: Fetching | null = null;
    if (hasDead) {
      dead = start();
      await expect.poll(sent, { timeout: 20_000 }).toBeGreaterThan(SIZE / 3);
      dead.child.kill('SIGKILL');
      await dead.outcome;
      expect((await leftovers()).filter((name) => name.endsWith('.lock')).length).toBeGreaterThan(0);
      hub.requests.length = 0;
    }
    const processes = Array.from({ length: 20 }, () => start());
    for (const { outcome } of processes) expect(await outcome).toEqual({ hashes: files.map((file) => file.sha256) });
    const counts = ['one.onnx', 'two.onnx', 'mclip.json'].map((name) => hub.fetches(name).length);
    expect(counts[0]).toBe(1);
    expect(counts[1]).toBe(1);
    expect(counts[2]).toBeLessThanOrEqual(1);
    if (dead !== null) await expectNothingLeftBut(dead.child);
    else expect(await leftovers()).toEqual([]);
    hub.requests.length = 0;
    await hub.close(); // no network, a warm store
    expect(await start().outcome).toEqual({ hashes: files.map((file) => file.sha256) });
  },
  120_000,
);

test('a lock that nobody keeps alive is taken, whoever held it', async () => {
  const { lock } = storePaths(cacheDir, files[0]!.url);
  await mkdir(join(lock, '..'), { recursive: true });
  await writeFile(lock, JSON.stringify({ pid: process.pid, host: `not-${hostname()}`, id: 'x' }));
  await expectComplete(start());
  expect((await stat(join(cacheDir, 'store'))).isDirectory()).toBe(true);
}, 30_000);

test('HTTP_PROXY, HTTPS_PROXY and NO_PROXY', async () => {
  const through: string[] = [];
  const proxy = createServer((incoming, response) => {
    through.push(incoming.url!);
    incoming.pipe(
      request(incoming.url!, { method: incoming.method, headers: incoming.headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      }).on('error', () => response.destroy()),
    );
  });
  proxy.on('connect', (incoming, socket) => {
    through.push(incoming.url!);
    socket.on('error', () => {});
    const [host, port] = incoming.url!.split(':');
    if (host !== '127.0.0.1') return socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.pipe(socket).pipe(target);
    });
    target.on('error', () => socket.destroy());
    socket.on('close', () => target.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    await expectComplete(start({ HTTP_PROXY: url }));
    expect(through.length).toBeGreaterThan(0);
    expect(through.every((address) => address.includes('127.0.0.1'))).toBe(true);

    through.length = 0;
    await rm(cacheDir, { recursive: true });
    await expectComplete(start({ HTTP_PROXY: url, NO_PROXY: '127.0.0.1' }));
    expect(through).toEqual([]);

    const away = [{ ...files[0]!, url: 'https://models.example/big.onnx' }];
    const { outcome } = startFetching(script, { cacheDir, files: away, retries: 0 }, { HTTPS_PROXY: url });
    expect(await outcome).toMatchObject({ code: 'NETWORK' });
    expect(through).toEqual(['models.example:443']);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
}, 60_000);
