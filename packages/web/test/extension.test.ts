/** A page of an unpacked Manifest V3 extension, under the policy that such pages have at most. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mclip as vitePlugin } from '../src/vite.js';

const MANIFEST = {
  manifest_version: 3,
  name: 'mclip test',
  version: '1.0',
  content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
};

let folder: string;
let context: BrowserContext;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mclip-extension-'));
  await build({
    root: fileURLToPath(new URL('./bundled-page', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true },
    plugins: [vitePlugin()],
  });
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(MANIFEST));
  context = await chromium.launchPersistentContext('', {
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    headless: false, // Playwright's own headless mode has no extensions
    ignoreDefaultArgs: ['--disable-extensions'],
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-features=DisableLoadExtensionCommandLineSwitch',
      `--disable-extensions-except=${folder}`,
      `--load-extension=${folder}`,
    ],
  });
}, 180_000);

afterAll(async () => {
  await context?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Chromium names an unpacked extension by its folder. */
const extensionId = () =>
  createHash('sha256')
    .update(folder)
    .digest('hex')
    .slice(0, 32)
    .replace(/./g, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 16)));

test.each([true, false])(
  'an extension page classifies (worker: %s)',
  async (worker) => {
    const page = await context.newPage();
    await page.goto(`chrome-extension://${extensionId()}/index.html`);
    await page.waitForFunction(() => 'mclip' in globalThis);
    const result = await page.evaluate(async (worker) => {
      const violations: string[] = [];
      document.addEventListener('securitypolicyviolation', (event) => {
        violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      });
      const results = [];
      for (let time = 0; time < 2; time++) {
        const classifier = await mclip.createClassifier(['cat', 'dog', 'pizza'], { model: nanoClip, worker });
        const data = new Uint8Array(64 * 64 * 3).map((_, i) => (i * 7919) % 251);
        results.push(await classifier.classify({ data, width: 64, height: 64, channels: 3 }));
        await classifier.dispose();
      }
      return { violations, results, origin: location.protocol };
    }, worker);
    expect(result.origin).toBe('chrome-extension:');
    expect(result.violations).toEqual([]);
    expect(result.results[0]).toHaveLength(3);
    expect(result.results[1]).toEqual(result.results[0]);
    await page.close();
  },
  120_000,
);
