/** A service worker starts no workers and imports nothing later: as one bundled file it classifies on its own thread. */
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium, openPage } from './support/browser.js';
import { ROOT } from './support/paths.js';
import { expectSameRanking, rankedByNode } from './support/ranking.js';
import { startServer, type TestServer } from './support/server.js';

const SCRIPT = `
import { createClassifier } from '@mclip/web';
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('message', async ({ data, ports: [port] }) => {
  try {
    const classifier = await createClassifier(data.labels, { model: '/models/nano/', wasmPaths: '/onnxruntime-web/' });
    const ranked = await classifier.classifyBatch(data.images);
    const { device } = classifier;
    await classifier.dispose();
    port.postMessage({ ranked, device });
  } catch (error) {
    port.postMessage({ error: String(error.stack ?? error) });
  }
});`;

let browser: Browser;
let server: TestServer;

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: SCRIPT, resolveDir: `${ROOT}/bench` },
    bundle: true,
    format: 'esm',
    write: false,
    tsconfigRaw: {}, // the built packages, not their sources
    logLevel: 'silent', // the worker's URL is left as it is, and never used here
  });
  const script = outputFiles[0]!.contents;
  const serve = (_request: unknown, response: import('node:http').ServerResponse) =>
    void response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
  [browser, server] = await Promise.all([launchChromium(), startServer({ routes: { '/sw.js': serve } })]);
}, 120_000);

afterAll(() => Promise.all([browser?.close(), server?.close()]));

test('a service worker classifies on its own thread, and says so', async () => {
  const names = ['cat', 'dog', 'pizza'];
  const page = await openPage(browser, server.origin);
  const answer = await page.evaluate(async (names) => {
    await navigator.serviceWorker.register('/sw.js', { type: 'module' });
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    const answered = new Promise<{
      error?: string;
      ranked: Awaited<ReturnType<Awaited<ReturnType<typeof mclip.createClassifier>>['classifyBatch']>>;
      device: import('@mclip/core').Device;
    }>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
    });
    const images = names.map((name) => `/examples/node-classify/images/${name}.png`);
    active!.postMessage({ labels: LABELS, images }, [port2]);
    return answered;
  }, names);
  expect(answer.error).toBeUndefined();
  expectSameRanking(answer.ranked as Parameters<typeof expectSameRanking>[0], await rankedByNode(names));
  expect(answer.device).toMatchObject({ name: 'wasm', threads: 1 });
  expect(answer.device.reason).toContain('no workers here');
}, 120_000);
