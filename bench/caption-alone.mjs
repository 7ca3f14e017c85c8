/**
 * One side of bench/caption.mjs in a process of its own, as a program would have it: how fast memory is depends on where
 * weights come to lie, and of several models in one process some lie badly for as long as it runs.
 *
 *   node bench/caption-alone.mjs SIDE '{"task": "speed" | "memory", "tokens": 48, ...}'
 *
 * prints what it measured as JSON on its last line.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCaptioner } from '@mclip/node';
import { createBare, createBareFirst } from './caption-bare.mjs';
import { createPeer } from './caption-peer.mjs';
import { median, rest } from './report.mjs';

const folder = fileURLToPath(new URL('../tools/real/models/fastvlm-0.5b', import.meta.url));
const picture = fileURLToPath(new URL('../tools/real/models/images/photo-1600x1200.jpg', import.meta.url));
const question = 'What are these?';
const another = 'Is there a dog?';
/** Of each figure in one process, after a warm-up. */
const TIMES = 3;
/** One file for all sides. */
const SAME = { vision: 'fp32', decoder: 'q4' };
/** The same decoder as public repositories have it, made by tools/real/all_positions.py. */
const ALL_POSITIONS = 'decoder_model_merged_q4_all_positions.onnx';

const SIDES = {
  ours: () => ourSide({ dtype: SAME }),
  'ours-all': () => ourSide({ dtype: SAME, model: allPositions() }),
  low: () => ourSide({ dtype: SAME, memory: 'low' }),
  auto: () => ourSide({}),
  'auto-low': () => ourSide({ memory: 'low' }),
  peer: () => peerSide(SAME),
  'peer-all': () => peerSide(SAME, ALL_POSITIONS),
  'peer-chosen': ({ chosen }) => peerSide(chosen),
  bare: () => bareSide(SAME),
  'bare-chosen': ({ chosen }) => bareSide(chosen),
};

/** Whether the folder has what a side needs. */
export const has = (side) => !side.endsWith('-all') || existsSync(join(folder, ALL_POSITIONS));

/** A model folder of links whose decoder is that one. */
function allPositions() {
  const home = mkdtempSync(join(tmpdir(), 'mclip-bench-'));
  process.on('exit', () => rmSync(home, { recursive: true }));
  const json = manifest();
  delete json.decoder.logits;
  json.graphs.decoder.files[SAME.decoder] = { file: ALL_POSITIONS };
  writeFileSync(join(home, 'mclip.json'), JSON.stringify(json));
  for (const file of readdirSync(folder)) {
    if (file !== 'mclip.json') symlinkSync(join(folder, file), join(home, file));
  }
  return home;
}

async function ourSide(options) {
  const captioner = await createCaptioner({ model: folder, ...options });
  const { size } = manifest().image;
  const image = options.memory === undefined ? await captioner.encodeImage(picture) : null;
  const generate = async (about, maxNewTokens, more = {}) => {
    const answer = await captioner.generate(about, { prompt: question, maxNewTokens, ...more });
    if (answer.tokens.length !== maxNewTokens) throw new Error(`${answer.tokens.length} tokens`); // it ended early
    return answer;
  };
  const parts = [];
  return {
    chosen: { vision: options.dtype?.vision ?? 'q8', decoder: captioner.device.dtype },
    promptTokens: image && (await generate(image, 1)).promptTokens,
    parts,
    decode: async (tokens) => (await generate(image, tokens)).timings.tokensPerSecond,
    async first(pixels) {
      const { timings } = await generate(picture, 1, { resolution: pixels });
      if (pixels === size) parts.push(timings);
      return timings.timeToFirstTokenMs;
    },
    again: async () => (await generate(image, 1, { prompt: another })).timings.timeToFirstTokenMs,
    caption: (tokens) => generate(picture, tokens),
  };
}

async function peerSide(dtypes, decoderFile) {
  const peer = await createPeer(folder, dtypes, decoderFile);
  const { size } = manifest().image;
  return {
    decode: async (tokens) => (await peer(picture, question, tokens)).tokensPerSecond,
    first: async (pixels) => (pixels === size ? (await peer(picture, question, 1)).timeToFirstTokenMs : null),
    again: () => null,
    caption: (tokens) => peer(picture, question, tokens),
  };
}

async function bareSide(dtypes) {
  const { image } = manifest();
  const steps = await createBare(folder, dtypes.decoder);
  const first = createBareFirst(folder, dtypes);
  const promptAt = (pixels) => task.promptTokens - (image.size / image.patch) ** 2 + (pixels / image.patch) ** 2;
  return {
    decode: (tokens) => steps(task.promptTokens, tokens),
    first: (pixels) => first(pixels, promptAt(pixels)),
    again: () => null,
  };
}

function manifest() {
  return JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
}

async function sample(run) {
  const values = [];
  for (let count = -1; count < TIMES; count++) {
    await rest();
    const value = await run();
    if (value === null) return null;
    if (count >= 0) values.push(value);
  }
  return median(values);
}

async function speed(side, { tokens }) {
  const { size } = manifest().image;
  const first = await sample(() => side.first(size));
  const half = await sample(() => side.first(size / 2));
  const decode = await sample(() => side.decode(tokens));
  const again = await sample(side.again);
  return { first, half, decode, again, chosen: side.chosen, promptTokens: side.promptTokens, parts: side.parts };
}

/** Megabytes at the peak of loading and one short caption. */
async function memory(side) {
  await side.caption(8);
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
}

const isProgram = process.argv[1] === fileURLToPath(import.meta.url);
const task = isProgram ? JSON.parse(process.argv[3]) : null;
if (isProgram) {
  const side = await SIDES[process.argv[2]](task);
  console.log(JSON.stringify(await (task.task === 'memory' ? memory : speed)(side, task)));
  process.exit(0); // transformers.js keeps sessions open
}
