/**
 * CLIP and Qwen2 tokenizers on at least 1 MB of made-up words, almost all distinct: @mclip/core's against transformers.js's, in
 * turns within one run, so that a busy machine slows both alike; medians. Every round has new words, so that no cache is
 * warm. Also: the same on natural prompts, one long word, and the time to load the vocabulary; for Qwen2 also decoding.
 *   node bench/tokenizers.mjs [--json]      (after npm run build)
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { loadClipTokenizer, Qwen2Tokenizer } from '@mclip/core';
import { clipTokenizerJson } from './clip-tokenizer-json.mjs';
import { qwen2TokenizerJson } from './qwen2-tokenizer-json.mjs';

const ROUNDS = 3;
const BYTES = 1_100_000;
const BYTES_PER_TEXT = 400;

const core = new URL('../packages/core/', import.meta.url);
const tokenizerJson = await clipTokenizerJson();
const ours = await loadClipTokenizer();
const peer = new PreTrainedTokenizer(tokenizerJson, {
  tokenizer_class: 'CLIPTokenizer',
  model_max_length: 77,
  pad_token: '!',
});

const clip = {
  ours: (text) => ours.encodeOrdinary(text),
  peer: (text) => peer.encode(text, { add_special_tokens: false }),
};
const rows = [
  megabytesPerSecond('distinct made-up words', clip, madeUpTexts),
  megabytesPerSecond('prompts of 1,000 repeated words', clip, prompts),
  megabytesPerSecond('one word of 100 kB', clip, longWord),
  loadMilliseconds(),
  ...(await qwen2Rows()),
];
console.table(rows.map(({ bare, ratioToBare, ...row }) => row));
if (process.argv.includes('--json')) {
  const { version } = readJson('../node_modules/@huggingface/transformers/package.json');
  const versions = { node: process.version, '@mclip/core': readJson('../packages/core/package.json').version };
  const machine = `${cpus()[0].model}, ${cpus().length} cores`;
  console.log(JSON.stringify({ machine, versions: { ...versions, '@huggingface/transformers': version }, rows }));
}

/** Ids of every text, whole: what is truncated would not be work. */
function megabytesPerSecond(what, { ours: encode, peer: encodePeer }, makeTexts) {
  checkSameIds(makeTexts(1), encode, encodePeer);
  const rates = { ours: [], peer: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const texts = makeTexts(2 + round);
    const bytes = texts.reduce((sum, text) => sum + byteLength(text), 0);
    rates.ours.push(bytes / 1e3 / milliseconds(() => texts.forEach(encode)));
    rates.peer.push(bytes / 1e3 / milliseconds(() => texts.forEach(encodePeer)));
  }
  return row(
    what,
    round2(median(rates.ours)),
    round2(median(rates.peer)),
    median(rates.ours) / median(rates.peer),
    'MB/s',
  );
}

/** Import and construction, each in a new process; the peer's file is parsed from memory. */
function loadMilliseconds() {
  const entry = JSON.stringify(new URL('dist/index.js', core).href);
  const time = (code) =>
    Number(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }));
  const code = `import { loadClipTokenizer } from ${entry};
    const start = performance.now();
    await loadClipTokenizer();
    console.log(performance.now() - start);`;
  const times = Array.from({ length: ROUNDS }, () => time(code));
  const json = JSON.stringify(tokenizerJson);
  const peerTimes = times.map(() => milliseconds(() => new PreTrainedTokenizer(JSON.parse(json), {})));
  return row(
    'load the vocabulary',
    round2(median(times)),
    round2(median(peerTimes)),
    median(peerTimes) / median(times),
    'ms',
  );
}

/** The peer's file and ours are one tokenizer.json, parsed anew for each load. */
async function qwen2Rows() {
  const json = JSON.stringify(await qwen2TokenizerJson());
  const loads = { ours: [], peer: [] };
  let mine;
  let theirs;
  for (let round = 0; round < ROUNDS; round++) {
    loads.ours.push(milliseconds(() => (mine = Qwen2Tokenizer.fromJSON(json))));
    loads.peer.push(
      milliseconds(() => (theirs = new PreTrainedTokenizer(JSON.parse(json), { tokenizer_class: 'Qwen2Tokenizer' }))),
    );
  }
  const encode = {
    ours: (text) => mine.encode(text),
    peer: (text) => theirs.encode(text, { add_special_tokens: false }),
  };
  const decode = { ours: (ids) => mine.decode(ids), peer: (ids) => theirs.decode(ids) };
  const [load, peerLoad] = [median(loads.ours), median(loads.peer)];
  return [
    megabytesPerSecond('Qwen2: distinct made-up words', encode, madeUpTexts),
    megabytesPerSecond('Qwen2: one word of 100 kB', encode, longWord),
    megabytesPerSecond('Qwen2: decode (MB of ids, 4 bytes each)', decode, (seed) => madeUpTexts(seed).map(encode.ours)),
    row('Qwen2: load tokenizer.json', round2(load), round2(peerLoad), peerLoad / load, 'ms'),
  ];
}

function row(what, oursValue, peerValue, ratio, unit) {
  return { what, ours: oursValue, peer: peerValue, bare: null, ratioToPeer: round2(ratio), ratioToBare: null, unit };
}

function checkSameIds(texts, encode, encodePeer) {
  for (const text of texts.slice(0, 200)) {
    if (String(encode(text)) !== String(encodePeer(text))) throw new Error(`Different for ${JSON.stringify(text)}.`);
  }
}

function byteLength(textOrIds) {
  return typeof textOrIds === 'string' ? Buffer.byteLength(textOrIds) : textOrIds.length * 4;
}

function longWord(seed) {
  return [madeUpTexts(seed).join('').replaceAll(' ', '').slice(0, 100_000)];
}

function madeUpTexts(seed) {
  const random = mulberry32(seed);
  const texts = [];
  for (let bytes = 0; bytes < BYTES; bytes += BYTES_PER_TEXT) {
    let text = '';
    while (text.length < BYTES_PER_TEXT) text += `${madeUpWord(random)} `;
    texts.push(text);
  }
  return texts;
}

function prompts(seed) {
  const random = mulberry32(seed);
  const words = Array.from({ length: 1000 }, () => madeUpWord(random));
  const pick = () => words[Math.floor(random() * words.length)];
  return Array.from({ length: BYTES / 40 }, () => `a photo of a ${pick()} ${pick()}, ${pick()}.`);
}

function madeUpWord(random) {
  const letters = 'etaoinshrdlcumwfgypbvk';
  const length = 4 + Math.floor(random() * 8);
  let word = '';
  for (let i = 0; i < length; i++) word += letters[Math.floor(random() ** 1.3 * letters.length)];
  return word;
}

function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function readJson(path) {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
}

function milliseconds(run) {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function round2(value) {
  return Math.round(value * 100) / 100;
}
