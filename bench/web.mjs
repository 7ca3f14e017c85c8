/**
 * Chromium on wasm: ours against transformers.js by its fastest hand-written path and against bare onnxruntime-web, in
 * turns, on cross-origin isolated pages, with the same files and the same number of threads.
 *
 *   node bench/web.mjs [--json] [--rounds 12] [--starts 5] [--model nano|mobileclip2-s0]
 *                      [--only speed|start|camera|caption]
 *
 * after npm run build and npm run bench:models; about a quarter of an hour, half of it for captions. Debian's chromium, or CHROMIUM_PATH.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { print } from './report.mjs';
import { captionFiles, measureCaptions } from './web-captions.mjs';
import { classificationFiles, measureClassification } from './web-classification.mjs';
import { startSite } from './web-server.mjs';

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;
const site = await startSite({ ...classificationFiles(), ...captionFiles() });
const launch = {
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream=fps=60'],
};
const browser = await chromium.launch(launch);
const rows = [];
try {
  if (only !== 'caption') await measureClassification(onNewPage, rows, only);
  if (only === null || only === 'caption') await measureCaptions(onTabs, rows);
} finally {
  print(rows, ['@huggingface/transformers'], {
    chromium: browser.version(),
    'onnxruntime-web': '1.30.0, the peer its own',
  });
  await browser.close();
  site.close();
}

/** In a browser profile of its own, so that nothing is cached. */
async function onNewPage(work) {
  const context = await browser.newContext();
  try {
    return await work(await open(context, 'classification'));
  } finally {
    await context.close();
  }
}

/** So many tabs of a browser that stores on disk: what it keeps in memory is too little for these models. */
async function onTabs(count, work) {
  const profile = await mkdtemp(join(tmpdir(), 'mclip-bench-'));
  const context = await chromium.launchPersistentContext(profile, launch);
  try {
    const tabs = [];
    while (tabs.length < count) tabs.push(await open(context, 'captions'));
    return await work(tabs);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

async function open(context, name) {
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`[page] ${error.stack}`));
  await page.goto(`${site.origin}/${name}`);
  await page.waitForFunction(() => 'bench' in globalThis);
  return page;
}
