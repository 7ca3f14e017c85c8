/** A Vite build of an application runs under a strict Content-Security-Policy and asks no other origin for anything. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mclip as vitePlugin } from '../src/vite.js';
import { launchChromium, openPage } from './support/browser.js';
import { startServer, type TestServer } from './support/server.js';

const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";

let folder: string;
let browser: Browser;
let proxy: Server;
const foreign: string[] = []; // what the browser asked of other machines

/** The browser looks for updates of itself. */
const HOUSEKEEPING = /^(https?:\/\/)?([\w-]+\.)*(google|googleapis|gvt1)\.com[:/]/;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mclip-vite-'));
  await build({
    root: fileURLToPath(new URL('./bundled-page', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true },
    plugins: [vitePlugin()],
  });
  const note = (url = '') => HOUSEKEEPING.test(url) || foreign.push(url);
  proxy = createServer((request, response) => {
    note(request.url);
    response.writeHead(502).end();
  });
  proxy.on('connect', (request, socket) => {
    note(request.url);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  // requests to this machine go straight, any other goes through the proxy, also those of workers in workers
  browser = await launchChromium([
    `--proxy-server=127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
  ]);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  proxy?.close();
  await rm(folder, { recursive: true, force: true });
});

async function classify(
  options: { worker: boolean; device: 'wasm' | 'webgpu' },
  isolated: boolean,
  policy: { csp?: string } = { csp: POLICY },
) {
  const server: TestServer = await startServer({ folder, isolated, ...policy });
  const page = await openPage(browser, server.origin);
  try {
    const result = await page.evaluate(async (options) => {
      const violations: string[] = [];
      document.addEventListener('securitypolicyviolation', (event) => {
        violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      });
      const classifier = await mclip.createClassifier(['cat', 'dog', 'pizza'], { model: nanoClip, ...options });
      const data = new Uint8Array(64 * 64 * 3).map((_, i) => (i * 7919) % 251);
      const ranked = await classifier.classify({ data, width: 64, height: 64, channels: 3 });
      const { threads, name } = classifier.device;
      await classifier.dispose();
      return { violations, threads, name, labels: ranked.length };
    }, options);
    return { ...result, log: server.log };
  } finally {
    await page.close();
    await server.close();
  }
}

for (const isolated of [false, true]) {
  for (const worker of [true, false]) {
    test(`${isolated ? 'isolated' : 'not isolated'}, worker: ${worker}`, async () => {
      const { log, ...result } = await classify({ worker, device: 'wasm' }, isolated);
      expect(result).toEqual({ violations: [], threads: expect.any(Number), name: 'wasm', labels: 3 });
      if (isolated) expect(result.threads).toBeGreaterThan(1);
      else expect(result.threads).toBe(1);
      expect(log.some((path) => path.endsWith('.wasm'))).toBe(true);
      expect(log.some((path) => path.includes('asyncify') || path.includes('webgpu'))).toBe(false);
      expect(foreign).toEqual([]);
    });
  }
}

for (const worker of [true, false]) {
  test(`no other origin is asked without a policy that forbids it, worker: ${worker}`, async () => {
    const result = await classify({ worker, device: 'wasm' }, false, {});
    expect(result.labels).toBe(3);
    expect(foreign).toEqual([]);
  });
}

for (const worker of [true, false]) {
  test(`webgpu, worker: ${worker}`, async () => {
    const { log, ...result } = await classify({ worker, device: 'webgpu' }, false);
    expect(result).toEqual({ violations: [], threads: 1, name: 'webgpu', labels: 3 });
    expect(log.some((path) => path.includes('asyncify') && path.endsWith('.wasm'))).toBe(true);
    expect(foreign).toEqual([]);
  }, 240_000);
}
