/**
 * Classification in Chromium on wasm: ours against transformers.js by its fastest hand-written path and against bare
 * onnxruntime-web, in turns on one cross-origin isolated page, with the same files and the same number of threads.
 * Labels are embedded beforehand on both sides.
 *
 *   node bench/web.mjs [--json] [--rounds 12] [--starts 5] [--model nano|mobileclip2-s0]
 *
 * after npm run build and npm run bench:models. Debian's chromium, or CHROMIUM_PATH.
 */
import { chromium } from 'playwright-core';
import { alternate, median, option, print, row } from './report.mjs';
import { startSite } from './web-server.mjs';

const rounds = option('--rounds', 12);
const starts = option('--starts', 5);
const labels = ['cat', 'dog', 'bird', 'car', 'tree', 'house', 'person', 'boat', 'flower', 'mountain'];
const sizes = ['451x300', '1600x1200', '4032x3024'];
const steps = ['decode', 'read pixels', 'RGBA to RGB', 'resize', 'run'];
const allModels = {
  nano: { folder: 'packages/nano/models/clip/', visionFile: 'vision.w8.onnx', dtype: 'w8' },
  'mobileclip2-s0': { folder: 'tools/real/models/mobileclip2-s0/', visionFile: 'vision.fp32.onnx', dtype: 'fp32' },
};
const wanted = process.argv.includes('--model') ? [process.argv[process.argv.indexOf('--model') + 1]] : null;
const models = Object.entries(allModels).filter(([name]) => wanted === null || wanted.includes(name));

const site = await startSite(allModels);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream=fps=60'],
});

const rows = [];
const explained = [];
for (const [name, { folder, visionFile, dtype }] of models) {
  const model = { name, folder: `/${folder}`, visionFile, dtype };
  const set = await onPage((page) =>
    page.evaluate(([labels, options]) => bench.labelSet(labels, options), [labels, { model: model.folder, dtype }]),
  );
  for (const threads of [1, 2]) await classify({ ...model, threads, set });
  await firstAnswers({ ...model, threads: 2, set });
  if (name === 'nano') for (const threads of [1, 2]) await camera({ ...model, threads, set });
}

console.log('Where the time goes, ms (bare: decoder, our preprocessing and onnxruntime on the page, medians)');
console.table(explained);
print(rows, ['@huggingface/transformers'], {
  chromium: browser.version(),
  'onnxruntime-web': '1.30.0, the peer its own',
});
await browser.close();
site.close();

async function classify({ threads, ...model }) {
  await onPage(async (page) => {
    const opened = await page.evaluate((model) => bench.prepare(model), { ...model, threads });
    if (opened.fitting < 0.9999 || opened.threads !== threads || !opened.isolated) {
      throw new Error(`Not the same network, or not as asked for: ${JSON.stringify(opened)}.`);
    }
    const alike = `${opened.fitting.toFixed(6)} for a picture of the model's size, ${opened.photo.toFixed(3)} for 451x300`;
    console.log(`${model.name}, ${threads} thread(s): cosine of our embedding and the peer's ${alike}`);
    const what = (rest) => `${model.name}, ${threads} thread${threads === 1 ? '' : 's'}, ${rest}`;
    const timed = (way, size) => () => page.evaluate(([way, size]) => bench.time(way, size), [way, size]);
    const speed = (ms) => 1000 / ms;
    for (const size of sizes) {
      const ways = ['exact', 'peer', 'fast', 'bare', 'inline'];
      const ms = await alternate(Object.fromEntries(ways.map((way) => [way, timed(way, size)])), rounds);
      const [peer, bare] = [speed(ms.peer), speed(ms.bare)];
      rows.push(row(what(`${size} JPEG, exact`), 'images/s', speed(ms.exact), peer, bare));
      rows.push(row(what(`${size} JPEG, fast`), 'images/s', speed(ms.fast), peer, bare));
      rows.push(row(what(`${size} JPEG, exact, worker: false`), 'images/s', speed(ms.inline), peer, bare));
      const parts = (await page.evaluate(() => bench.parts()))[size].slice(-rounds);
      const times = Object.fromEntries(steps.map((step, i) => [step, median(parts.map((each) => each[i]))]));
      const all = { ...times, bare: ms.bare, worker: ms.exact, inline: ms.inline, fast: ms.fast, peer: ms.peer };
      const rounded = Object.entries(all).map(([step, value]) => [step, Number(value.toFixed(1))]);
      explained.push({ what: what(size), ...Object.fromEntries(rounded) });
    }
    // no decoding and no resizing: what remains beyond the runtime is ours
    const ways = { worker: timed('pixels'), inline: timed('pixelsInline'), run: timed('run') };
    const own = await alternate(ways, 2 * rounds);
    rows.push(row(what('raw pixels, in the worker'), 'ms', own.worker, null, own.run));
    rows.push(row(what('raw pixels, worker: false'), 'ms', own.inline, null, own.run));
    const block = (way) => page.evaluate(([way, size]) => bench.longestBlock(way, size), [way, '4032x3024']);
    const blocked = await alternate({ ours: () => block('exact'), peer: () => block('peer') }, 3, 0);
    rows.push(row(what('longest block of the page, 4032x3024'), 'ms', blocked.ours, blocked.peer));
  });
}

/** Each in a browser profile of its own, so that nothing is cached. */
async function firstAnswers(model) {
  const first =
    (side, more = {}) =>
    () =>
      onPage((page) => page.evaluate(([side, model]) => bench.firstAnswer(side, model), [side, { ...model, ...more }]));
  const works = { ours: first('ours'), peer: first('peer') };
  if (model.dtype !== 'w8') works.w8 = first('ours', { dtype: 'w8' });
  const ms = await alternate(works, starts, 1);
  rows.push(row(`${model.name}, 2 threads, first answer, ${model.dtype}`, 'ms', ms.ours, ms.peer));
  if (ms.w8 !== undefined) rows.push(row(`${model.name}, 2 threads, first answer, ours w8`, 'ms', ms.w8, ms.peer));
}

async function camera({ name, folder, dtype, threads, set }) {
  const rate = await onPage((page) =>
    page.evaluate(
      ([set, options]) => bench.cameraRate(set, options),
      [set, { model: folder, dtype, numThreads: threads }],
    ),
  );
  rows.push(row(`${name}, ${threads} thread${threads === 1 ? '' : 's'}, camera 640x480, fast`, 'frames/s', rate));
}

async function onPage(work) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(`[page] ${error.stack}`));
    await page.goto(site.origin);
    await page.waitForFunction(() => 'bench' in globalThis);
    return await work(page);
  } finally {
    await context.close();
  }
}
