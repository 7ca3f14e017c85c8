/** A page of Chromium with an empty store, a hub of another origin that does what networks do, and what the tests look at. */
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect } from 'vitest';
import { type Fault, type Hub, startHub } from '../../../../test/support/hub.js';
import { openPage } from './browser.js';
import { TestSite } from './test-site.js';

export const NAME = 'vision.w8.onnx';

export const site = new TestSite();
export let hub: Hub;
export let page: Page;

beforeEach(async () => {
  hub = await startHub();
  page = await openPage(await site.browser.newContext(), site.plain.origin); // nothing is stored
});

afterEach(async () => {
  await page.context().close();
  await hub.close();
});

export interface Outcome {
  error?: { code?: string; message: string };
  /** Length of an embedding. */
  dim?: number;
  progress: { loadedBytes: number; totalBytes: number | null }[];
}

/** Loads the vision graph of nano from the hub, looks at a picture, and lets go of it. */
export function load(on: Page = page, settings: object = {}, abortAt: number | null = null): Promise<Outcome> {
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
export const stored = (on: Page = page) =>
  on.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip');
    const names: string[] = [];
    for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
    return names;
  });

export type Entries = { entries(): AsyncIterable<[string, FileSystemFileHandle]> };

export const storedSizes = () =>
  page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip');
    const sizes: Record<string, number> = {};
    for await (const [name, handle] of (folder as unknown as Entries).entries()) {
      sizes[name] = (await handle.getFile()).size;
    }
    return sizes;
  });

/** A bit of the graph is another. */
export const damageStored = () =>
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

export const heldLocks = (on: Page = page) => on.evaluate(async () => (await navigator.locks.query()).held!.length);
export const parts = async (on: Page = page) => (await stored(on)).filter((name) => name.includes('.part.'));

export const fetches = () => hub.requests.filter(({ server, name }) => server === 'cdn' && name === NAME);
export const size = () => hub.files.get(NAME)!.length;
export const sent = () => fetches().reduce((sum, request) => sum + request.sent, 0);

/** The CDN's answers, first one first; after the last fault all is well. */
export function faults(...list: Fault[]) {
  hub.fault = ({ server, name, before }) => (server === 'cdn' && name === NAME ? (list[before] ?? null) : null);
}
export const always = (fault: Fault) => {
  hub.fault = ({ server, name }) => (server === 'cdn' && name === NAME ? fault : null);
};

export async function expectLoaded(outcome: Outcome) {
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
