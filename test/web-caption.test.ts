/** examples/web-caption as people get it: built, in Chromium. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { build, type PreviewServer, preview } from 'vite';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { launchChromium } from '../packages/web/test/support/browser.js';
import { IMAGE_FOLDER, ROOT } from '../packages/web/test/support/paths.js';

const root = join(ROOT, 'examples/web-caption');
/** Two busy cores take their time: these are ten times what a quiet machine needs. */
const WAIT = { timeout: 45_000 };
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

let outDir: string;
let browser: Browser;
let context: BrowserContext;
let site: PreviewServer;

beforeAll(async () => {
  outDir = await mkdtemp(join(tmpdir(), 'mclip-web-caption-'));
  const [launched] = await Promise.all([
    launchChromium([]),
    build({ root, logLevel: 'error', build: { outDir, emptyOutDir: true } }),
  ]);
  browser = launched;
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(WAIT.timeout);
  site = await preview({ root, logLevel: 'error', build: { outDir }, preview: { port: 4350 } });
});

afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
  await rm(outDir, { recursive: true, force: true });
});

/** The app with its first caption written, and what it complained of or asked of others. */
async function open(): Promise<{ page: Page; complaints: string[] }> {
  const page = await context.newPage();
  onTestFinished(() => page.close());
  const url = site.resolvedUrls!.local[0]!;
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) complaints.push(request.url());
  });
  await page.goto(url);
  await answered(page, 1);
  return { page, complaints };
}

/** So many answers, all of them finished. */
async function answered(page: Page, count: number): Promise<string[]> {
  await expect.poll(() => page.locator('#turns .answer').count(), WAIT).toBe(count);
  await page.locator('#send:not([disabled])').waitFor();
  return page.locator('#turns .answer').allTextContents();
}

test('a picture is captioned at once and questions are answered below it, in this browser alone', async () => {
  const { page, complaints } = await open();
  const [caption] = await answered(page, 1);
  expect(caption!.length).toBeGreaterThan(3);
  await page.getByLabel('Your question').fill('Is this an animal?');
  await page.keyboard.press('Enter');
  const answers = await answered(page, 2);
  expect(answers[0]).toBe(caption);
  expect(answers[1]).not.toBe('');
  expect(await page.locator('#turns .question').allTextContents()).toEqual(['Is this an animal?']);
  expect(await page.locator('#figures dd').first().textContent()).toBe('wasm');
  expect(complaints).toEqual([]);
});

test('another picture begins another conversation', async () => {
  const { page } = await open();
  const [first] = await answered(page, 1);
  await page.getByRole('button', { name: 'penguin', exact: true }).click();
  await expect.poll(async () => (await answered(page, 1))[0], WAIT).not.toBe(first);
  await page.locator('#file').setInputFiles(join(IMAGE_FOLDER, 'umbrella.png'));
  await expect.poll(() => page.locator('#picture').getAttribute('alt'), WAIT).toBe('umbrella.png');
  await expect.poll(async () => (await answered(page, 1))[0], WAIT).not.toBe('');
});

test('a file that is no picture is said in words, and the next picture works', async () => {
  const { page } = await open();
  const file = { name: 'notes.txt', mimeType: 'image/png', buffer: Buffer.from('no picture') };
  await page.locator('#file').setInputFiles(file);
  await page.locator('#turns .problem').waitFor();
  await page.getByRole('button', { name: 'rose', exact: true }).click();
  expect((await answered(page, 1))[0]).not.toBe('');
});

test('nothing moves when an answer is written', async () => {
  const { page } = await open();
  const places = () =>
    page.locator('.stage, .talk, #turns, #question, footer, #figures div').evaluateAll((all) =>
      all.map((part) => {
        const { x, y, width, height } = part.getBoundingClientRect();
        return [x, y, width, height];
      }),
    );
  await page.evaluate(() => {
    const now = performance.now.bind(performance);
    let asked = 0;
    performance.now = () => now() + 12_000 * asked++;
  });
  const before = await places();
  await page.getByRole('button', { name: 'penguin', exact: true }).click();
  const first = page.locator('#figures dd').nth(3);
  await expect.poll(() => first.textContent(), WAIT).toMatch(/^\d{5} ms$/);
  await answered(page, 1);
  expect(await places()).toEqual(before);
  expect(await first.evaluate((value) => value.scrollWidth <= value.clientWidth)).toBe(true);
});

test('axe finds nothing to complain about', async () => {
  const { page } = await open();
  await page.addScriptTag({ path: join(ROOT, 'node_modules/axe-core/axe.min.js') });
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  });
  expect(violations).toEqual([]);
});

if (process.env.MCLIP_WRITE_SCREENSHOTS === '1') {
  for (const scheme of ['light', 'dark'] as const) {
    test(`screenshot, ${scheme}`, async () => {
      const { page } = await open();
      await page.emulateMedia({ colorScheme: scheme });
      for (const [index, question] of ['What colour is it?', 'Is this an animal?'].entries()) {
        await page.getByLabel('Your question').fill(question);
        await page.keyboard.press('Enter');
        await answered(page, index + 2);
      }
      await page.screenshot({ path: join(ROOT, `docs/web-caption-${scheme}.png`) });
    });
  }
}
