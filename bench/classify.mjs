/**
 * MobileCLIP2-S0 (random weights, real size) on three JPEGs: ours against the fastest hand-written transformers.js path
 * and against the bare runtime, in turns within one run; medians. Labels are embedded beforehand on both sides.
 *
 *   node bench/classify.mjs [--json] [--rounds 25]      after npm run build and npm run bench:models
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  AutoImageProcessor,
  AutoTokenizer,
  CLIPTextModelWithProjection,
  CLIPVisionModelWithProjection,
  env,
  RawImage,
} from '@huggingface/transformers';
import { preprocess } from '@mclip/core';
import { createClassifier } from '@mclip/node';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { clipTokenizerJson } from './clip-tokenizer-json.mjs';
import { alternate, median, option, print, rest, row } from './report.mjs';

const rounds = option('--rounds', 25);
const real = fileURLToPath(new URL('../tools/real/models/', import.meta.url));
const folder = join(real, 'mobileclip2-s0');
const manifest = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
const labels = ['cat', 'dog', 'bird', 'car', 'tree', 'house', 'person', 'boat', 'flower', 'mountain'];
const sizes = ['451x300', '1600x1200', '4032x3024'];
const picture = (size) => join(real, 'images', `photo-${size}.jpg`);

const options = { model: folder, dtype: 'fp32' };
const exact = await createClassifier(labels, options);
const fast = await createClassifier(exact.labelSet(), { ...options, preprocessing: 'fast' });
const inline = await createClassifier(exact.labelSet(), { ...options, worker: false });
const peer = await createPeer();
const bare = await InferenceSession.create(join(folder, 'vision.fp32.onnx'), { logSeverityLevel: 3 });

const rows = [];
const phases = [];
for (const size of sizes) {
  const path = picture(size);
  const time = await alternate(
    {
      exact: () => exact.classify(path),
      fast: () => fast.classify(path),
      peer: () => peer.classify(path),
      bareParts: () => bareParts(path),
      inline: () => inline.classify(path),
    },
    rounds,
  );
  phases.push(...(await phasesOf(size)));
  rows.push(speedRow(`classify ${size} JPEG, exact`, time.exact, time.peer, time.bareParts));
  rows.push(speedRow(`classify ${size} JPEG, fast`, time.fast, time.peer, time.bareParts));
  rows.push(speedRow(`classify ${size} JPEG, exact, worker: false`, time.inline, time.peer, time.bareParts));
}

// no decoding and no resizing: what remains beyond the runtime is ours
const pixels = { data: new Uint8Array(3 * 256 * 256).map((_, index) => (index * 7919) % 251), width: 256, height: 256 };
const pixelValues = new Tensor('float32', preprocess(pixels, manifest.image), [1, 3, 256, 256]);
const overhead = await alternate(
  {
    worker: () => exact.classify(pixels),
    inline: () => inline.classify(pixels),
    bare: () => bare.run({ pixel_values: pixelValues }),
  },
  rounds,
);
rows.push(timeRow('256x256 raw pixels, in the worker', overhead.worker, overhead.bare));
rows.push(timeRow('256x256 raw pixels, worker: false', overhead.inline, overhead.bare));

const withText = await alternate(
  { ours: () => exact.classify(picture('451x300')), peer: () => peer.classifyWithText(picture('451x300')) },
  Math.ceil(rounds / 5),
);
rows.push(
  speedRow('451x300, the peer embedding 10 labels for every image, as its pipeline does', withText.ours, withText.peer),
);

await Promise.all([exact.dispose(), fast.dispose(), inline.dispose()]);
rows.push(await coldStart());

const beyond = (what) => rows.find((each) => each.what.startsWith(what));
const extra = (what) => (beyond(what).ours - beyond(what).bare).toFixed(1);
console.log(
  `beyond the bare runtime: ${extra('256x256 raw pixels, in')} ms in the worker, ${extra('256x256 raw pixels, worker')} ms inline`,
);
console.log('where the time goes, ms:');
console.table(phases);
print(rows, ['@huggingface/transformers', 'onnxruntime-node', 'sharp']);
process.exit(0); // transformers.js keeps sessions open

/** Decoding with sharp, preprocessing and the run, with nothing around them; how long each takes goes into `spent`. */
async function bareParts(path, spent = {}) {
  const lap = stopwatch(spent);
  const { data, info } = await sharp(readFileSync(path))
    .autoOrient()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  lap('decode');
  const values = preprocess(
    { data: new Uint8Array(data.buffer, data.byteOffset, data.length), ...info },
    manifest.image,
  );
  lap('preprocess');
  await bare.run({ pixel_values: new Tensor('float32', values, [1, 3, 256, 256]) });
  lap('run');
}

/** Adds the time since the last call to `spent` under a name. */
function stopwatch(spent) {
  let last = performance.now();
  return (name) => {
    const now = performance.now();
    spent[name] = (spent[name] ?? 0) + now - last;
    last = now;
  };
}

/** Mean of each phase over the rounds, both sides in turns. */
async function phasesOf(size) {
  const [bareSpent, peerSpent] = [{}, {}];
  for (let round = 0; round < rounds; round++) {
    await rest();
    await bareParts(picture(size), bareSpent);
    await rest();
    await peer.classify(picture(size), peerSpent);
  }
  const means = (spent) =>
    Object.fromEntries(Object.entries(spent).map(([name, ms]) => [name, Number((ms / rounds).toFixed(1))]));
  return [
    { picture: size, side: 'our parts', ...means(bareSpent) },
    { picture: size, side: 'peer', ...means(peerSpent) },
  ];
}

/** A new process with a LabelSet and the w8 files: bytes to fetch, and the time to the first answer. */
async function coldStart() {
  const labelSet = join(real, 'labels.json');
  const small = await createClassifier(labels, { model: folder, dtype: 'w8' });
  writeFileSync(labelSet, JSON.stringify(small.labelSet()));
  await small.dispose();
  const script = `
    import { readFileSync } from 'node:fs';
    import { createClassifier, LabelSet } from '@mclip/node';
    const startedAt = performance.now();
    const set = LabelSet.fromJSON(readFileSync(${JSON.stringify(labelSet)}, 'utf8'));
    const classifier = await createClassifier(set, { model: ${JSON.stringify(folder)}, dtype: 'w8' });
    await classifier.classify(${JSON.stringify(picture('451x300'))});
    console.log(performance.now() - startedAt);
    await classifier.dispose();`;
  const runs = Array.from({ length: 5 }, () =>
    Number(
      execFileSync('node', ['--input-type=module', '-e', script], {
        cwd: fileURLToPath(new URL('.', import.meta.url)),
      }),
    ),
  );
  const megabytes = manifest.graphs.vision.files.w8.bytes / 1e6;
  return timeRow(`first answer from a LabelSet, w8, ${megabytes.toFixed(1)} MB of model`, median(runs));
}

/** transformers.js on the same files: image read, preprocessed and run by hand, text embedded once. */
async function createPeer() {
  const name = 'peer-mobileclip2-s0';
  const home = join(real, name);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(join(home, 'onnx'), { recursive: true });
  for (const graph of ['vision', 'text'])
    symlinkSync(join(folder, `${graph}.fp32.onnx`), join(home, 'onnx', `${graph}_model.onnx`));
  const write = (file, value) => writeFileSync(join(home, file), JSON.stringify(value));
  write('config.json', { model_type: 'clip', architectures: ['CLIPModel'], vision_config: {}, text_config: {} });
  write('preprocessor_config.json', {
    image_processor_type: 'CLIPImageProcessor',
    do_resize: true,
    size: { shortest_edge: 256 },
    resample: 2,
    do_center_crop: true,
    crop_size: { height: 256, width: 256 },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: false,
    do_convert_rgb: true,
  });
  write('tokenizer.json', await clipTokenizerJson());
  write('tokenizer_config.json', { tokenizer_class: 'CLIPTokenizer', model_max_length: 77, pad_token: '!' });
  env.allowRemoteModels = false;
  env.localModelPath = real;
  const session = { dtype: 'fp32', device: 'cpu' };
  const [processor, vision, tokenizer, text] = [
    await AutoImageProcessor.from_pretrained(name),
    await CLIPVisionModelWithProjection.from_pretrained(name, session),
    await AutoTokenizer.from_pretrained(name),
    await CLIPTextModelWithProjection.from_pretrained(name, session),
  ];
  const embedLabels = async () => {
    const prompts = labels.map((label) => `a photo of a ${label}.`);
    const inputs = tokenizer(prompts, { padding: 'max_length', truncation: true });
    return (await text(inputs)).text_embeds.normalize().tolist();
  };
  const embedded = await embedLabels();
  const rankWith = async (path, rowsOfLabels, spent = {}) => {
    const lap = stopwatch(spent);
    const decoded = await RawImage.read(path);
    lap('decode');
    const pixels = await processor(decoded);
    lap('preprocess');
    const { image_embeds } = await vision(pixels);
    lap('run');
    const [image] = image_embeds.normalize().tolist();
    const logits = rowsOfLabels.map(
      (values) => 100 * values.reduce((sum, value, index) => sum + value * image[index], 0),
    );
    return logits.map((logit, index) => [labels[index], logit]).sort((a, b) => b[1] - a[1]);
  };
  return {
    classify: (path, spent) => rankWith(path, embedded, spent),
    classifyWithText: async (path) => rankWith(path, await embedLabels()),
  };
}

/** Speeds: a ratio above 1 says that ours is faster. */
function speedRow(what, ours, theirs, bareTime = null) {
  const [a, b, c] = [ours, theirs, bareTime].map((ms) => (ms === null ? null : 1000 / ms));
  return row(what, 'images/s', a, b, c);
}

/** Times: a ratio above 1 says that ours is slower. */
function timeRow(what, ours, bareTime = null) {
  return row(what, 'ms', ours, null, bareTime);
}
