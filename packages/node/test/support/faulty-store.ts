/** A hub whose CDN does what networks do, an empty store for each test, and what the tests look at. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '@mclip/core';
import { type FetchedFile, resolveSettings } from '@mclip/core/adapter';
import { afterEach, beforeEach, expect } from 'vitest';
import { type Fault, type Hub, type HubRequest, sha256, startHub } from '../../../../test/support/hub.js';
import { fetchFile } from '../../src/model-store.js';

export const SIZE = 1_000_003;
export const NAME = 'big.onnx';
export const CONTENT = randomBytes(SIZE);

export let hub: Hub;
export let cacheDir: string;
export let file: FetchedFile;

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

export const settings = (more: Settings = {}) => resolveSettings({ cacheDir, retries: 3, ...more });
/** For tests whose server stalls: far more than a busy machine takes for anything else. */
export const STALL = { stallTimeout: 1000 };

export interface Outcome {
  reports: { loaded: number; total: number | null }[];
  path: string;
}

export async function get(more: Settings = {}, wanted = file, signal?: AbortSignal): Promise<Outcome> {
  const reports: Outcome['reports'] = [];
  const onBytes = (loaded: number, total: number | null) => reports.push({ loaded, total });
  const path = await fetchFile(wanted, { settings: settings(more), onBytes, signal });
  return { reports, path: path as string };
}

/** The CDN's answers to requests for the file, first one first; after the last fault all is well. */
export function faults(...list: (Fault | null)[]) {
  hub.fault = ({ server, name, before }) => (server === 'cdn' && name === NAME ? (list[before] ?? null) : null);
}

export const always = (fault: Fault) => {
  hub.fault = ({ server, name }) => (server === 'cdn' && name === NAME ? fault : null);
};

export const fetches = () => hub.requests.filter(({ server, name }) => server === 'cdn' && name === NAME);
export const sent = (requests: HubRequest[]) => requests.reduce((sum, request) => sum + request.sent, 0);
export const parts = async () => (await readdir(join(cacheDir, 'store'))).filter((name) => !name.endsWith('.json'));

export async function expectWhole({ path }: Outcome) {
  expect(sha256(await readFile(path))).toBe(sha256(CONTENT));
  expect(await parts()).toEqual([]); // no part, no lock
}
