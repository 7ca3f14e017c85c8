/** Classification, the camera and first answers. Labels are embedded beforehand on both sides. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { alternate, median, option, row } from './report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const rounds = option('--rounds', 12);
const starts = option('--starts', 5);
const labels = ['cat', 'dog', 'bird', 'car', 'tree', 'house', 'person', 'boat', 'flower', 'mountain'];
const sizes = ['451x300', '1600x1200', '4032x3024'];
const models = {
  nano: { folder: 'packages/nano/models/clip/', visionFile: 'vision.w8.onnx', dtype: 'w8' },
  'mobileclip2-s0': { folder: 'tools/real/models/mobileclip2-s0/', visionFile: 'vision.fp32.onnx', dtype: 'fp32' },
};
/** What a classification consists of, in the order of the page's notes. */
const steps = { bare: ['decode', 'read', 'resize', 'run'], peer: ['peer decode', 'peer resize', 'peer run'] };

/** The peer's layout of each model, and the model without its canary. */
export function classificationFiles() {
  return Object.fromEntries(
    Object.entries(models).flatMap(([name, { folder, visionFile }]) => {
      const { canary: _, ...unchecked } = JSON.parse(readFileSync(`${root}${folder}mclip.json`, 'utf8'));
      return [
        [`/peer/${name}/config.json`, { model_type: 'clip', architectures: ['CLIPModel'], vision_config: {} }],
        [`/peer/${name}/preprocessor_config.json`, preprocessorConfig(unchecked.image)],
        [`/peer/${name}/onnx/vision_model.onnx`, `/${folder}${visionFile}`],
        ...readdirSync(root + folder).map((file) => [`/unchecked/${name}/${file}`, `/${folder}${file}`]),
        [`/unchecked/${name}/mclip.json`, unchecked],
      ];
    }),
  );
}

/** @param only 'speed', 'start', 'camera' or null for all */
export async function measureClassification(onPage, rows, only) {
  const named = process.argv.includes('--model') ? process.argv[process.argv.indexOf('--model') + 1] : null;
  const wants = (what) => only === null || only === what;
  const explained = [];
  for (const [name, { folder, visionFile, dtype }] of Object.entries(models)) {
    if (named !== null && named !== name) continue;
    const model = { name, folder: `/${folder}`, visionFile, dtype };
    model.set = await onPage((page) =>
      page.evaluate(([labels, options]) => bench.labelSet(labels, options), [labels, { model: model.folder, dtype }]),
    );
    for (const threads of [1, 2]) if (wants('speed')) await classify(onPage, rows, explained, { ...model, threads });
    if (wants('start')) await firstAnswers(onPage, rows, { ...model, threads: 2 });
    if (name !== 'nano' || !wants('camera')) continue;
    for (const threads of [1, 2]) await camera(onPage, rows, { ...model, threads });
  }
  if (explained.length === 0) return;
  console.log(
    "Where the time goes, ms, medians (bare: decoding, strips read, resize and onnxruntime on the page's thread)",
  );
  console.table(explained);
}

async function classify(onPage, rows, explained, model) {
  await onPage(async (page) => {
    const { name, threads } = model;
    const opened = await page.evaluate((model) => bench.prepare(model), model);
    if (opened.fitting < 0.9999 || opened.threads !== threads || !opened.isolated) {
      throw new Error(`Not the same network, or not as asked for: ${JSON.stringify(opened)}.`);
    }
    const alike = `${opened.fitting.toFixed(6)} for a picture of the model's size, ${opened.photo.toFixed(3)} for 451x300`;
    console.log(`${name}, ${threads} thread(s): cosine of our embedding and the peer's ${alike}`);
    const what = (rest) => `${name}, ${threads} thread${threads === 1 ? '' : 's'}, ${rest}`;
    const timed = (way, size) => () => page.evaluate(([way, size]) => bench.time(way, size), [way, size]);
    const speed = (ms) => 1000 / ms;
    for (const size of sizes) {
      const ways = ['exact', 'peer', 'fast', 'bare', 'inline'];
      const ms = await alternate(Object.fromEntries(ways.map((way) => [way, timed(way, size)])), rounds);
      const [peer, bare] = [speed(ms.peer), speed(ms.bare)];
      rows.push(row(what(`${size} JPEG, exact`), 'images/s', speed(ms.exact), peer, bare));
      rows.push(row(what(`${size} JPEG, fast`), 'images/s', speed(ms.fast), peer, bare));
      rows.push(row(what(`${size} JPEG, exact, worker: false`), 'images/s', speed(ms.inline), peer, bare));
      const parts = await page.evaluate(() => bench.parts());
      const times = (side) =>
        steps[side].map((step, i) => [step, median(parts[side + size].slice(-rounds).map((each) => each[i]))]);
      const all = [
        ...times('bare'),
        ...['bare', 'inline', 'fast'].map((way) => [`${way}, all`, ms[way]]),
        ['exact, all', ms.exact],
        ['beyond bare', ms.exact - ms.bare],
        ...times('peer'),
        ['peer, all', ms.peer],
      ];
      const rounded = all.map(([step, value]) => [step, Number(value.toFixed(1))]);
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
async function firstAnswers(onPage, rows, { name, ...model }) {
  const first =
    (side, more = {}) =>
    () =>
      onPage((page) =>
        page.evaluate(([side, model]) => bench.firstAnswer(side, model), [side, { name, ...model, ...more }]),
      );
  const works = { ours: first('ours'), peer: first('peer') };
  // w8 of random weights is far from the answer that they give unrounded: without the self-check, which takes one run
  if (model.dtype !== 'w8') works.w8 = first('ours', { dtype: 'w8', folder: `/unchecked/${name}/` });
  const ms = await alternate(works, starts, 1);
  rows.push(row(`${name}, 2 threads, first answer, ${model.dtype}`, 'ms', ms.ours, ms.peer));
  if (ms.w8 === undefined) return;
  rows.push(row(`${name}, 2 threads, first answer, ours w8, no self-check`, 'ms', ms.w8, ms.peer));
}

async function camera(onPage, rows, { name, folder, dtype, threads, set }) {
  const rate = await onPage((page) =>
    page.evaluate(
      ([set, options]) => bench.cameraRate(set, options),
      [set, { model: folder, dtype, numThreads: threads }],
    ),
  );
  rows.push(row(`${name}, ${threads} thread${threads === 1 ? '' : 's'}, camera 640x480, fast`, 'frames/s', rate));
}

/** What the manifest says, in the peer's words. */
function preprocessorConfig({ size, interpolation, mean, std }) {
  return {
    image_processor_type: 'CLIPImageProcessor',
    do_resize: true,
    size: { shortest_edge: size },
    resample: interpolation === 'bicubic' ? 3 : 2,
    do_center_crop: true,
    crop_size: { height: size, width: size },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: mean.some((value) => value !== 0) || std.some((value) => value !== 1),
    image_mean: mean,
    image_std: std,
    do_convert_rgb: true,
  };
}
