/** examples/web-classify as people get it: built, under its own Content-Security-Policy, in Chromium. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { build, type PreviewServer, preview } from 'vite';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { CONTENT_SECURITY_POLICY } from '../examples/web-classify/headers.js';
import { launchChromium } from '../packages/web/test/support/browser.js';
import { IMAGE_FOLDER, ROOT } from '../packages/web/test/support/paths.js';

const root = join(ROOT, 'examples/web-classify');
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
/** Two busy cores take their time: these are ten times what a quiet machine needs. */
const WAIT = { timeout: 45_000 };
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

let outDir: string;
let browser: Browser;
/** One for all pages: labels are embedded once. */
let context: BrowserContext;
let site: PreviewServer;

beforeAll(async () => {
  outDir = await mkdtemp(join(tmpdir(), 'mclip-web-classify-'));
  const [launched] = await Promise.all([
    launchChromium(['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']),
    build({ root, logLevel: 'error', build: { outDir, emptyOutDir: true } }),
  ]);
  browser = launched;
  context = await browser.newContext({ viewport: DESKTOP });
  context.setDefaultTimeout(WAIT.timeout);
  site = await preview({ root, logLevel: 'error', build: { outDir }, preview: { port: 4310 } });
});

afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
  await rm(outDir, { recursive: true, force: true });
});

interface OpenedPage {
  page: Page;
  /** Failed requests, refused resources, errors and warnings of the page. */
  complaints: string[];
  /** Requests to anywhere else than the page's own server. */
  foreign: string[];
}

/** The app with its first answer shown. */
async function open(server = site): Promise<OpenedPage> {
  const page = await context.newPage();
  onTestFinished(() => page.close());
  const url = server.resolvedUrls!.local[0]!;
  const [complaints, foreign]: [string[], string[]] = [[], []];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) foreign.push(request.url());
  });
  await page.goto(url);
  await page.locator('#bars li, #problem:not(:empty)').first().waitFor();
  expect(await page.locator('#problem').textContent()).toBe('');
  return { page, complaints, foreign };
}

/** What a screen reader finds in the list of labels. */
function meters(page: Page): Promise<{ label: string; percent: number }[]> {
  return page
    .locator('#bars [role=meter]')
    .evaluateAll((all) => all.map((meter) => ({ label: meter.ariaLabel!, percent: Number(meter.ariaValueNow) })));
}

const chips = (page: Page) => page.locator('#chip-list li span').allTextContents();

const rowNames = async (page: Page) => (await meters(page)).map(({ label }) => label).sort();

test('a sample is labelled at once, in this browser alone', async () => {
  const { page, complaints, foreign } = await open();
  const rows = await meters(page);
  expect(rows).toHaveLength(8);
  expect(rows.map(({ percent }) => percent)).toEqual(rows.map(({ percent }) => percent).sort((a, b) => b - a));
  expect(await page.locator('#best-label').textContent()).toBe(rows[0]!.label);
  expect(await page.locator('#announcement').textContent()).toContain(rows[0]!.label);
  await page.getByRole('button', { name: 'umbrella', exact: true }).click();
  await expect.poll(() => meters(page), WAIT).not.toEqual(rows);
  const figures = await page.locator('#figures dd').allTextContents();
  expect(figures).toEqual(['wasm', 'w8', expect.stringMatching(/^[1-8]$/), expect.stringMatching(/ ms$/), '–']);
  expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] });
});

test('the picture shown first is what it shows', async () => {
  const { page } = await open();
  expect(await page.locator('#best-label').textContent()).toBe('cat');
});

test('without COOP and COEP headers it works on one thread', async () => {
  const headers = { 'Content-Security-Policy': CONTENT_SECURITY_POLICY };
  const plain = await preview({
    root,
    configFile: false,
    logLevel: 'error',
    build: { outDir },
    preview: { port: 4330, headers },
  });
  onTestFinished(() => plain.close());
  const { page, complaints } = await open(plain);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  expect(await page.locator('#figures dd').nth(2).textContent()).toBe('1');
  expect(await page.locator('#figures dd').nth(2).getAttribute('title')).toContain('COOP/COEP');
  expect(complaints).toEqual([]);
});

test('labels are edited by keyboard', async () => {
  const { page, complaints } = await open();
  const before = await chips(page);
  const field = page.getByRole('textbox', { name: 'Add a label' });
  await field.focus();
  await page.keyboard.type('slice of cake');
  await page.keyboard.press('Enter');
  await page.keyboard.type('tea,');
  expect(await chips(page)).toEqual([...before, 'slice of cake', 'tea']);

  await page.keyboard.type('Cat');
  await page.keyboard.press('Enter');
  expect(await page.locator('#label-note').textContent()).toBe('“Cat” is already in the list.');

  await page.keyboard.press('Backspace');
  await page.getByRole('button', { name: 'Remove cat' }).press('Enter');
  expect(await page.evaluate(() => document.activeElement!.ariaLabel)).toBe(`Remove ${before[1]}`);
  expect(await chips(page)).toEqual([...before.slice(1), 'slice of cake']);

  await field.focus();
  for (let left = before.length; left > 0; left--) await page.keyboard.press('Backspace');
  expect(await chips(page)).toEqual([before[1]]);
  expect(await page.locator('#label-note').textContent()).toContain('One label has to stay');
  await page.keyboard.type('a slice of pizza\n');
  await page.getByRole('checkbox', { name: /none of these/ }).press('Space');
  await expect.poll(() => rowNames(page), WAIT).toEqual(['a slice of pizza', before[1], 'none of these'].sort());
  expect(complaints).toEqual([]);
});

test('pictures are chosen, pasted and dropped; what is none is said', async () => {
  const { page, complaints } = await open();
  const shown = () => page.locator('#picture').getAttribute('alt');
  const first = await meters(page);
  await page.setInputFiles('#file', join(IMAGE_FOLDER, 'owl.png'));
  await expect.poll(() => meters(page), WAIT).not.toEqual(first);
  expect(await shown()).toBe('owl.png');

  for (const [kind, name] of [
    ['paste', 'train.png'],
    ['drop', 'rose.png'],
  ] as const) {
    const before = await meters(page);
    const bytes = [...(await readFile(join(IMAGE_FOLDER, name)))];
    await page.evaluate(
      ({ kind, name, bytes }) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
        const event =
          kind === 'paste'
            ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })
            : new DragEvent('drop', { dataTransfer: data, bubbles: true });
        document.body.dispatchEvent(event);
      },
      { kind, name, bytes },
    );
    await expect.poll(() => meters(page), WAIT).not.toEqual(before);
    expect(await shown()).toBe(name);
  }

  await page.setInputFiles('#file', { name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('not a picture') });
  await expect.poll(() => page.getByRole('alert').textContent(), WAIT).toMatch(/decode/i);
  expect(await meters(page)).toEqual([]);
  await page.getByRole('button', { name: 'rocket', exact: true }).click();
  await expect.poll(() => meters(page), WAIT).toHaveLength(8);
  expect(await page.getByRole('alert').textContent()).toBe('');
  expect(complaints).toEqual([]);
});

test('the camera is labelled live, while labels change too, and let go', async () => {
  const { page, complaints, foreign } = await open();
  await page.getByRole('button', { name: 'Camera' }).click();
  await page.evaluate(() => {
    const scope = globalThis as unknown as { updates: number; track: MediaStreamTrack };
    scope.updates = 0;
    const rate = document.querySelector('#figures div:last-child dd')!;
    new MutationObserver(() => scope.updates++).observe(rate, { childList: true });
  });
  const updates = () => page.evaluate(() => (globalThis as unknown as { updates: number }).updates);
  await expect.poll(updates, WAIT).toBeGreaterThan(5);
  expect(await page.locator('#figures dd').last().textContent()).toMatch(/^\d+ fps$/);

  await page.getByRole('textbox', { name: 'Add a label' }).fill('a green screen,');
  await expect.poll(() => rowNames(page), WAIT).not.toEqual([]);
  const soFar = await updates();
  await expect.poll(updates, WAIT).toBeGreaterThan(soFar + 5);

  const track = await page.evaluateHandle(
    () => (document.querySelector('video')!.srcObject as MediaStream).getVideoTracks()[0]!,
  );
  await page.getByRole('button', { name: 'Stop camera' }).click();
  expect(await track.evaluate(({ readyState }) => readyState)).toBe('ended');
  await expect.poll(() => page.locator('#figures dd').last().textContent(), WAIT).toBe('–');
  expect({ complaints, foreign }).toEqual({ complaints: [], foreign: [] });
});

test('another model: size, licence, an error in words, and cancelling', async () => {
  const { page } = await open();
  const before = await meters(page);
  await page.getByRole('button', { name: /Model/ }).click();
  await page.getByRole('radio', { name: /mobileclip2-s0 300 MB .*apple-amlr: research only/ }).check();
  await page.route('https://huggingface.co/**', (route) => route.abort('internetdisconnected'));
  await page.getByRole('button', { name: 'Use this model' }).click();
  await expect
    .poll(() => page.locator('#download-text').textContent(), WAIT)
    .toMatch(/^Cannot reach https:\/\/huggingface/);

  await page.unroute('https://huggingface.co/**');
  await page.route('https://huggingface.co/**', () => {}); // never answers
  await page.getByRole('button', { name: 'Use this model' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect.poll(() => page.locator('#download-text').textContent(), WAIT).toBe('Stopped. Nothing was changed.');
  await page.getByRole('button', { name: 'Close' }).click();
  expect(await page.locator('#model-name').textContent()).toBe('nano-clip');
  expect(await meters(page)).toEqual(before);
});

test('nothing moves when results arrive', async () => {
  const { page } = await open();
  const shift = () =>
    page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          new PerformanceObserver((list) => {
            const entries = list.getEntries() as (PerformanceEntry & { value: number })[];
            resolve(entries.reduce((sum, { value }) => sum + value, 0));
          }).observe({ type: 'layout-shift', buffered: true });
          setTimeout(() => resolve(0), 300); // there was none
        }),
    );
  const places = () =>
    page.locator('.stage, .best, .bars, .labels, footer, #figures div').evaluateAll((all) =>
      all.map((part) => {
        const { x, y, width, height } = part.getBoundingClientRect();
        return [x, y, width, height];
      }),
    );
  expect(await shift()).toBeLessThan(0.01);
  await page.evaluate(() => {
    // the page takes the time before and after: every answer took this much longer
    const now = performance.now.bind(performance);
    let asked = 0;
    performance.now = () => now() + 12_000 * asked++;
  });
  for (const viewport of [DESKTOP, PHONE]) {
    await page.setViewportSize(viewport);
    const before = await places();
    for (const name of ['pizza', 'umbrella']) {
      const rows = await meters(page);
      await page.getByRole('button', { name, exact: true }).click();
      await expect.poll(() => meters(page), WAIT).not.toEqual(rows);
    }
    expect(await places()).toEqual(before);
    const latency = page.locator('#figures dd').nth(3);
    expect(await latency.textContent()).toMatch(/^\d{5} ms$/);
    expect(await latency.evaluate((value) => value.scrollWidth <= value.clientWidth)).toBe(true);
  }
});

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

test('axe finds nothing to complain about', async () => {
  const { page } = await open();
  await page.evaluate(await readFile(axe, 'utf8'));
  for (const viewport of [DESKTOP, PHONE]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await violations(page)).toEqual([]);
      await page.getByRole('button', { name: /Model/ }).click();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press('Escape');
    }
  }
});

function violations(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const scope = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await scope.axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}

// for the README: MCLIP_WRITE_SCREENSHOTS=1 npx vitest run test/web-classify.test.ts
test.runIf(process.env.MCLIP_WRITE_SCREENSHOTS)('screenshots', async () => {
  const { page } = await open();
  // once more, when nothing else is starting
  for (const name of ['pizza', 'cat']) {
    await page.waitForTimeout(1000);
    await page.getByRole('button', { name, exact: true }).click();
  }
  await page.mouse.move(0, 0);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const [viewport, name] of [
      [PHONE, `phone-${colorScheme}`],
      [DESKTOP, colorScheme],
    ] as const) {
      await page.setViewportSize(viewport);
      await page.waitForTimeout(1000);
      const folder = viewport === DESKTOP ? join(ROOT, 'docs') : tmpdir();
      await page.screenshot({ path: join(folder, `web-classify-${name}.png`), fullPage: viewport === PHONE });
    }
  }
});
