/** What must hold of one preset once the SDK has downloaded it; throws what does not. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { loadClipTokenizer, preprocess } from '@mclip/core';
import { createCaptioner, createEmbedder, similarity } from '@mclip/node';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const LEAST_COSINE = 0.9999; // of the SDK's embedding with onnxruntime's alone, on the same file
const TEXT = 'a photo of a dog.';
const ANSWER_TOKENS = 16;

/** Two pictures that no network should take for one another: slow ramps, and a chequered board. */
const pictures = [
  (x, y, c) => ((x * (2 + c) + y * (4 - c)) >> 2) & 255,
  (x, y, c) => (((x >> 4) + (y >> 4)) & 1 ? 250 - 125 * c : 180 - 90 * c),
].map((value) => {
  const [width, height] = [320, 240];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    value(Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3),
  );
  return { data, width, height, channels: 3 };
});

function must(condition, message) {
  if (!condition) throw new Error(message);
}

async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** path in the repository -> { bytes, sha256 } of large files, as the hub itself lists them. */
async function hubListing(hub, { repo, revision }) {
  const url = `${hub}api/models/${repo}/tree/${revision}?recursive=true`;
  const response = await fetch(url);
  must(response.ok, `${url} answered ${response.status}`);
  const entries = (await response.json()).filter(({ lfs }) => lfs?.oid);
  return new Map(entries.map(({ path, lfs }) => [path, { bytes: lfs.size, sha256: lfs.oid }]));
}

/** Where the SDK's store keeps the file of the manifest, found by its content. */
async function storedFile(cacheDir, { hub, preset }, file, listing) {
  const path = preset.folder + file;
  const listed = listing.get(path);
  must(listed !== undefined, `${preset.repo} lists no large file ${path}`);
  const [name] = path.split('/').slice(-1);
  for (const entry of await readdir(cacheDir, { recursive: true, withFileTypes: true })) {
    const candidate = join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isFile() || !entry.name.includes(name.replace('.onnx', ''))) continue;
    if ((await stat(candidate)).size === listed.bytes && (await sha256(candidate)) === listed.sha256) {
      return { path: candidate, bytes: listed.bytes };
    }
  }
  throw new Error(`no stored file has the hash that ${hub} lists for ${path}: ${listed.sha256}`);
}

function dtypeOf(dtype, graph) {
  return typeof dtype === 'object' ? dtype[graph] : dtype;
}

function checkNames(session, graph, inputs, outputs) {
  for (const [kind, wanted, found] of [
    ['input', inputs, session.inputNames],
    ['output', outputs, session.outputNames],
  ]) {
    for (const name of wanted) {
      must(name === null || found.includes(name), `${graph} has no ${kind} ${name}; it has ${found.slice(0, 4)}`);
    }
  }
}

/** A session of onnxruntime alone on a stored file; `run(feeds)` gives its first output. */
async function bareGraph(cacheDir, at, file, listing, graph, { input, output }) {
  const { path, bytes } = await storedFile(cacheDir, at, file, listing);
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  checkNames(session, graph, [input], [output]);
  const run = async (tensor) => {
    const name = output ?? session.outputNames[0];
    return (await session.run({ [input ?? session.inputNames[0]]: tensor }, [name]))[name];
  };
  return { bytes, run, session };
}

function cosine(a, b) {
  const norm = (v) => Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
  return a.reduce((sum, value, i) => sum + value * b[i], 0) / (norm(a) * norm(b));
}

export async function verifyClip(at) {
  const { name, preset, hub, cacheDir } = at;
  const { manifest } = preset;
  const embedder = await createEmbedder({ model: name, hubUrl: hub, cacheDir, device: 'cpu', worker: false });
  try {
    const [first, second] = await embedder.encodeImages(pictures);
    const text = await embedder.encodeText(TEXT);
    const listing = await hubListing(hub, preset);
    const [visionDtype, textDtype] = ['vision', 'text'].map((graph) => dtypeOf(embedder.device.dtype, graph));
    const { vision, text: textGraph } = manifest.graphs;
    const visionAlone = await bareGraph(cacheDir, at, vision.files[visionDtype].file, listing, 'vision', vision);
    const { size } = manifest.image;
    const pixels = new Tensor('float32', preprocess(pictures[0], manifest.image), [1, 3, size, size]);
    const image = await visionAlone.run(pixels);
    must(image.dims.at(-1) === manifest.dim, `vision gives ${image.dims}, expected ${manifest.dim}`);
    const imageCosine = cosine(first, image.data);
    must(imageCosine >= LEAST_COSINE, `the picture's embedding has cosine ${imageCosine} with onnxruntime's`);
    await visionAlone.session.release();

    const textAlone = await bareGraph(cacheDir, at, textGraph.files[textDtype].file, listing, 'text', textGraph);
    const ids = (await loadClipTokenizer()).encode(TEXT);
    const alone = await textAlone.run(new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, 77]));
    const textCosine = cosine(text, alone.data);
    must(textCosine >= LEAST_COSINE, `the text's embedding has cosine ${textCosine} with onnxruntime's`);
    await textAlone.session.release();
    const alike = similarity(first, second);
    must(alike < 0.99, `two different pictures are ${alike.toFixed(4)} alike`);
    return {
      megabytes: (visionAlone.bytes + textAlone.bytes) / 1e6,
      note: `vision ${visionDtype}, text ${textDtype}; cosine ${Math.min(imageCosine, textCosine).toFixed(6)}`,
    };
  } finally {
    await embedder.dispose();
  }
}

export async function verifyCaptioner(at) {
  const { name, preset, hub, cacheDir } = at;
  const { layers, kvHeads, headDim } = preset.manifest.decoder;
  const captioner = await createCaptioner({ model: name, hubUrl: hub, cacheDir, device: 'cpu' });
  let answers;
  let dtypes;
  try {
    dtypes = captioner.device.dtype;
    answers = [];
    for (const picture of [pictures[0], pictures[1], pictures[0]]) {
      answers.push(await captioner.generate(picture, { maxNewTokens: ANSWER_TOKENS }));
    }
  } finally {
    await captioner.dispose(); // before other sessions on the same files: memory
  }
  const [first, second, again] = answers.map(({ tokens }) => tokens.join());
  must(first !== '' && first === again, `one picture has two answers: ${first} and ${again}`);
  must(first !== second, `two different pictures have the same answer: ${answers[0].text}`);

  const listing = await hubListing(hub, preset);
  const { vision, decoder } = preset.manifest.graphs;
  let megabytes = 0;
  const visionDtype = typeof dtypes === 'object' ? dtypes.vision : 'fp32';
  const visionAlone = await bareGraph(cacheDir, at, vision.files[visionDtype].file, listing, 'vision', vision);
  await visionAlone.session.release();
  const decoderFile = decoder.files[dtypeOf(dtypes, 'decoder')].file;
  const decoderAlone = await bareGraph(cacheDir, at, decoderFile, listing, 'decoder', {
    input: null,
    output: 'logits',
  });
  const { session } = decoderAlone;
  const caches = Array.from({ length: layers }, (_, i) => ['key', 'value'].map((kind) => `${i}.${kind}`)).flat();
  const pasts = caches.map((cache) => `past_key_values.${cache}`);
  checkNames(
    session,
    'decoder',
    ['inputs_embeds', 'attention_mask', ...pasts],
    caches.map((cache) => `present.${cache}`),
  );
  must(!session.inputNames.includes(`past_key_values.${layers}.key`), `the decoder has more than ${layers} layers`);
  const shape = session.inputMetadata.find((input) => input.name === 'past_key_values.0.key').shape;
  must(
    shape[1] === kvHeads && shape[3] === headDim,
    `the decoder's cache is ${shape}, expected ${kvHeads} x ${headDim}`,
  );
  await session.release();
  megabytes = (visionAlone.bytes + decoderAlone.bytes) / 1e6;
  return {
    megabytes,
    note: `vision ${visionDtype}, decoder ${dtypeOf(dtypes, 'decoder')}; '${answers[0].text.slice(0, 60)}'`,
  };
}
