/** Disks that are full or cannot be written: a typed error, and a store that works as soon as the disk does. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '@mclip/core';
import { type FetchedFile, resolveSettings } from '@mclip/core/adapter';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Hub, sha256, startHub } from '../../../test/support/hub.js';
import { fetchFile } from '../src/model-store.js';

const SIZE = 1_500_000;

/** Why no small disk can be made here, or null. */
const whyNot = (() => {
  try {
    mount(tmpdir(), true);
    return null;
  } catch (error) {
    return `mounting a tmpfs is not possible here: ${(error as Error).message}`;
  }
})();
if (whyNot !== null) console.log(`skipped: ${whyNot}`);

function mount(folder: string, isTrial = false): void {
  if (process.platform !== 'linux') throw new Error('not Linux');
  const at = isTrial ? execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim() : folder;
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', at], { stdio: 'pipe' });
  if (isTrial) execFileSync('umount', [at]);
}

let hub: Hub;
let cacheDir: string;

beforeEach(async () => {
  hub = await startHub();
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-disk-'));
  if (whyNot === null) mount(cacheDir);
});

afterEach(async () => {
  await hub.close();
  if (whyNot === null) execFileSync('umount', ['-l', cacheDir]);
  await rm(cacheDir, { recursive: true, force: true });
});

function file(name: string, known = true): FetchedFile {
  const bytes = hub.files.get(name) ?? randomBytes(SIZE);
  hub.files.set(name, bytes);
  const url = `${hub.url}/me/${name.slice(0, 3)}/resolve/main/${name}`;
  return { url, bytes: known ? SIZE : null, sha256: sha256(bytes), model: name };
}

const get = (wanted: FetchedFile, more: Settings = {}) =>
  fetchFile(wanted, { settings: resolveSettings({ cacheDir, retries: 1, ...more }) });
const files = async () =>
  (await readdir(cacheDir, { recursive: true })).filter((name) => /\.(onnx|part|lock)$/.test(name));

test.skipIf(whyNot !== null)('no room for a file: told before its first byte, with both sizes', async () => {
  await get(file('one.onnx'));
  await writeFile(join(cacheDir, 'other'), randomBytes(1_000_000));
  const refused = get(file('two.onnx'));
  await expect(refused).rejects.toMatchObject({ code: 'STORAGE', message: expect.stringMatching(/1\.5 MB.*0\.\d MB/) });
  expect(hub.fetches('two.onnx')).toEqual([]);
  expect((await files()).length).toBe(1);
  await rm(join(cacheDir, 'other'));
  await get(file('two.onnx'));
});

test.skipIf(whyNot !== null)('a disk that fills up on the way: what came is kept, and goes on from there', async () => {
  await get(file('one.onnx'));
  await writeFile(join(cacheDir, 'other'), randomBytes(1_000_000));
  const failed = get(file('two.onnx', false));
  await expect(failed).rejects.toMatchObject({ code: 'STORAGE', message: expect.stringContaining('disk is full') });
  expect((await files()).filter((name) => name.endsWith('.lock'))).toEqual([]);
  await rm(join(cacheDir, 'other'));
  hub.requests.length = 0;
  await get(file('two.onnx', false));
  expect(hub.fetches('two.onnx')[0]!.from).toBeGreaterThan(100_000);
});

test.skipIf(whyNot !== null).each([true, false])(
  'with evict, the model unused for longest goes (size known: %s)',
  async (known) => {
    await get(file('one.onnx'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    hub.files.set('two.onnx', hub.files.get('two.onnx') ?? randomBytes(SIZE));
    await writeFile(join(cacheDir, 'other'), randomBytes(800_000));
    await get(file('two.onnx', known), { evict: true });
    const left = (await files()).map((name) => name.split('/').pop());
    expect(left).toEqual(['two.onnx']);
  },
);

test.skipIf(whyNot !== null)('a read-only store gives what it has, and says what it cannot take', async () => {
  const path = await get(file('one.onnx'));
  execFileSync('mount', ['-o', 'remount,ro', cacheDir]);
  hub.requests.length = 0;
  expect(await get(file('one.onnx'))).toBe(path);
  expect(hub.requests).toEqual([]);
  const refused = get(file('two.onnx'));
  await expect(refused).rejects.toMatchObject({ code: 'STORAGE', message: expect.stringContaining('cacheDir') });
});

test('a cache folder that is a file', async () => {
  const path = join(cacheDir, 'file');
  await writeFile(path, '');
  const refused = get(file('one.onnx'), { cacheDir: path });
  await expect(refused).rejects.toMatchObject({ code: 'STORAGE', message: expect.stringContaining(path) });
});
