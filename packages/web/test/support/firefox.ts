/** Debian's Firefox ESR without a window, through WebDriver BiDi. */
import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';
import type { LaunchedBrowser, OtherBrowser } from './other-browser.js';

const executablePath = process.env.FIREFOX_PATH ?? '/usr/bin/firefox-esr';
/** A busy machine takes its time. */
const PATIENCE = 180_000;

export const firefox: OtherBrowser = {
  name: 'Firefox',
  missing: existsSync(executablePath)
    ? null
    : `there is no ${executablePath}: apt-get install firefox-esr, or set FIREFOX_PATH`,
  launch,
};

async function launch(): Promise<LaunchedBrowser> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    timeout: PATIENCE,
    protocolTimeout: PATIENCE,
    // an element that captures a canvas plays without a click
    extraPrefsFirefox: { 'media.autoplay.default': 0 },
  });
  return {
    version: await browser.version(),
    async run(url, work, argument) {
      const page = await browser.newPage();
      page.on('pageerror', (error) => console.log(`[Firefox] ${error}`));
      try {
        await page.goto(url, { timeout: PATIENCE });
        await page.waitForFunction(() => 'mclip' in globalThis, { timeout: PATIENCE });
        // puppeteer's types promise less than JSON gives
        return (await page.evaluate(work as never, argument as never)) as Awaited<ReturnType<typeof work>>;
      } finally {
        await page.close();
      }
    },
    close: () => browser.close(),
  };
}
