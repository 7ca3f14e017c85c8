/** Debian's Chromium, driven by playwright-core. Missing browsers fail the tests: they are not skipped. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

export function launchChromium(args: string[] = []): Promise<Browser> {
  if (!existsSync(executablePath)) {
    throw new Error(`No browser at ${executablePath}: apt-get install chromium, or set CHROMIUM_PATH.`);
  }
  return chromium.launch({ executablePath, args: ['--no-sandbox', ...args] });
}

/** A page with the library as `mclip`. What it prints is shown with MCLIP_VERBOSE=1, what it throws unseen always. */
export async function openPage(browser: Browser | BrowserContext, url: string): Promise<Page> {
  const page = await browser.newPage();
  page.on('console', (message) => {
    if (process.env.MCLIP_VERBOSE) console.log(`[page] ${message.text()}`);
  });
  page.on('pageerror', (error) => console.log(`[page] ${error.stack}`));
  await page.goto(url);
  await page.waitForFunction(() => 'mclip' in globalThis);
  return page;
}
