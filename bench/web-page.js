/**
 * The page's half of bench/web.mjs: every way to classify the same file, each timed on its own. Modules are imported when
 * they are needed, so that a first result is measured from nothing.
 */
const peerOrt = '/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify';

const pictures = new Map();
const bytesOf = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let ways;
let parts;

async function picture(size) {
  if (!pictures.has(size)) {
    const response = await fetch(`/tools/real/models/images/photo-${size}.jpg`);
    pictures.set(size, new Blob([await response.arrayBuffer()], { type: 'image/jpeg' }));
  }
  return pictures.get(size);
}

/** Labels embedded once, for all pages and for both sides. */
async function labelSet(labels, options) {
  const { createClassifier } = await import('@mclip/web');
  const classifier = await createClassifier(labels, options);
  const set = classifier.labelSet().toJSON();
  await classifier.dispose();
  return set;
}

async function openOurs(set, options) {
  const { createClassifier, LabelSet } = await import('@mclip/web');
  return createClassifier(LabelSet.fromJSON(set), options);
}

/** transformers.js by hand: picture read, preprocessed and run; labels are embedded already. */
async function openPeer(set, { name, threads }) {
  const { AutoImageProcessor, CLIPVisionModelWithProjection, env, RawImage } = await import(
    '@huggingface/transformers'
  );
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/peer/';
  env.backends.onnx.wasm.numThreads = threads;
  env.backends.onnx.wasm.wasmPaths = { mjs: `${peerOrt}.mjs`, wasm: `${peerOrt}.wasm` };
  const [processor, vision] = await Promise.all([
    AutoImageProcessor.from_pretrained(name),
    CLIPVisionModelWithProjection.from_pretrained(name, { dtype: 'fp32', device: 'wasm' }),
  ]);
  const embed = async (blob, note = () => {}) => {
    const times = [performance.now()];
    const image = await RawImage.fromBlob(blob);
    times.push(performance.now());
    const inputs = await processor(image);
    times.push(performance.now());
    const { image_embeds } = await vision(inputs);
    times.push(performance.now());
    note(times.slice(1).map((time, i) => time - times[i]));
    return image_embeds.normalize().data;
  };
  return { embed, classify: async (blob, note) => ranked(set, await embed(blob, note)) };
}

function ranked({ labels, embeddings, dim, logitScale }, image) {
  const flat = floats(embeddings);
  const logits = labels.map((_, row) => {
    let sum = 0;
    for (let i = 0; i < dim; i++) sum += flat[row * dim + i] * image[i];
    return sum * logitScale;
  });
  const largest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return labels.map((label, i) => ({ label, score: weights[i] / total })).sort((a, b) => b.score - a.score);
}

const floats = (base64) =>
  new Float32Array(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer);

/** What ours consists of, on this thread, with nothing around it: decoder, strips read, resize, onnxruntime. */
async function openBare({ folder, visionFile, threads }) {
  const [{ env, InferenceSession, Tensor }, { decodeImage, preprocessParts, scaledSize }] = await Promise.all([
    import('onnxruntime-web/wasm'),
    import('/bench/reading.js'),
  ]);
  env.wasm.numThreads = threads;
  const { image } = await (await fetch(`${folder}mclip.json`)).json();
  const session = await InferenceSession.create(await bytesOf(folder + visionFile), { executionProviders: ['wasm'] });
  const tensor = new Tensor('float32', new Float32Array(3 * image.size ** 2), [1, 3, image.size, image.size]);
  const run = () => session.run({ [session.inputNames[0]]: tensor });
  return {
    size: image.size,
    run,
    async classify(blob, note) {
      const startedAt = performance.now();
      const picture = await decodeImage(
        { kind: 'blob', blob },
        { maxPixels: 1e9, fast: false, scaledSize: (width, height) => scaledSize(width, height, image) },
      );
      const decodedAt = performance.now();
      let reading = 0;
      const timed = {
        ...picture,
        async read(region) {
          const from = performance.now();
          const part = await picture.read(region);
          reading += performance.now() - from;
          return part;
        },
      };
      await preprocessParts(timed, image, tensor.data);
      picture.close?.();
      const resizedAt = performance.now();
      await run();
      note([decodedAt - startedAt, reading, resizedAt - decodedAt - reading, performance.now() - resizedAt]);
    },
  };
}

/** Opens everything; says how alike ours and the peer see a picture of the model's own size, and how alike a photo. */
async function prepare({ name, folder, visionFile, dtype, threads, set }) {
  const options = { model: folder, dtype, numThreads: threads };
  const exact = await openOurs(set, options);
  const fast = await openOurs(set, { ...options, preprocessing: 'fast' });
  const inline = await openOurs(set, { ...options, worker: false });
  const peer = await openPeer(set, { name, threads });
  const bare = await openBare({ folder, visionFile, threads });
  const data = new Uint8Array(3 * bare.size ** 2).map((_, index) => (index * 7919) % 251);
  const pixels = { data, width: bare.size, height: bare.size, channels: 3 };
  parts = {};
  const noting = (side, size) => {
    parts[side + size] ??= [];
    return (times) => parts[side + size].push(times);
  };
  ways = {
    exact: (blob) => exact.classify(blob),
    fast: (blob) => fast.classify(blob),
    inline: (blob) => inline.classify(blob),
    peer: (blob, size) => peer.classify(blob, noting('peer', size)),
    bare: (blob, size) => bare.classify(blob, noting('bare', size)),
    pixels: () => exact.classify(pixels),
    pixelsInline: () => inline.classify(pixels),
    run: () => bare.run(),
  };
  return {
    ...(await agreement(options, peer, bare.size)),
    threads: exact.device.threads,
    isolated: crossOriginIsolated,
  };
}

/** Cosines of the two embeddings. They resize differently: only a picture that fits must agree. */
async function agreement(options, peer, size) {
  const ours = await (await import('@mclip/web')).createEmbedder(options);
  const photo = await picture('451x300');
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext('2d').drawImage(await createImageBitmap(photo), 0, 0, size, size);
  const cosine = async (blob) => {
    const [a, b] = [await ours.encodeImage(blob), await peer.embed(blob)];
    return a.reduce((sum, value, i) => sum + value * b[i], 0);
  };
  const cosines = { fitting: await cosine(await canvas.convertToBlob()), photo: await cosine(photo) };
  await ours.dispose();
  return cosines;
}

/** One classification, ms. */
async function time(way, size) {
  const blob = size === undefined ? null : await picture(size);
  const startedAt = performance.now();
  await ways[way](blob, size);
  return performance.now() - startedAt;
}

/** From an empty page to the first answer, ms; the files come from this machine. */
async function firstAnswer(side, { name, folder, dtype, threads, set }) {
  const blob = await picture('451x300');
  const startedAt = performance.now();
  const classifier =
    side === 'ours'
      ? await openOurs(set, { model: folder, dtype, numThreads: threads })
      : await openPeer(set, { name, threads });
  await classifier.classify(blob);
  return performance.now() - startedAt;
}

/** The longest time that the page could not react, ms, over three classifications. */
async function longestBlock(way, size) {
  const blob = await picture(size);
  const step = 4;
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - step);
    last = now;
  }, step);
  for (let i = 0; i < 3; i++) await ways[way](blob, size);
  await pause(50);
  clearInterval(timer);
  return longest;
}

/** Labels of the camera's frames, a second, over five seconds. */
async function cameraRate(set, options) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, frameRate: 60 } });
  const classifier = await openOurs(set, { ...options, preprocessing: 'fast' });
  let frames = 0;
  let startedAt = null;
  const opened = performance.now();
  for await (const { results } of classifier.watch(stream, { topK: 3 })) {
    if (results.length !== 3) throw new Error('no labels');
    const now = performance.now();
    if (startedAt === null && now - opened > 1000) startedAt = now;
    else if (startedAt !== null) frames++;
    if (startedAt !== null && now - startedAt > 5000) break;
  }
  const rate = (1000 * frames) / (performance.now() - startedAt);
  await classifier.dispose();
  for (const track of stream.getTracks()) track.stop();
  return rate;
}

globalThis.bench = { labelSet, prepare, time, firstAnswer, longestBlock, cameraRate, parts: () => parts };
