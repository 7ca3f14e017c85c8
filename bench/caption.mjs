/**
 * FastVLM-0.5B (random weights, real size): ours against transformers.js and against the bare runtime, in turns within
 * one run; medians. Peak memory is measured in a process of its own for each.
 *
 *   node bench/caption.mjs [--json] [--rounds 3] [--tokens 48] [--only decode|first|memory]
 *
 * after npm run build; the model is tools/real/models/fastvlm-0.5b, made by tools/export (--model fastvlm-0.5b).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCaptioner } from '@mclip/node';
import { createBare, createBareFirst } from './caption-bare.mjs';
import { createPeer } from './caption-peer.mjs';
import { alternate, median, option, print, row } from './report.mjs';

const rounds = option('--rounds', 3);
const tokens = option('--tokens', 48);
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;
const folder = fileURLToPath(new URL('../tools/real/models/fastvlm-0.5b', import.meta.url));
const picture = fileURLToPath(new URL('../tools/real/models/images/photo-1600x1200.jpg', import.meta.url));
const manifest = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
const question = 'What are these?';
const another = 'Is there a dog?';
/** The same decoder as the public repository has it, made by tools/real/all_positions.py; its row is left out without. */
const ALL_POSITIONS = 'decoder_model_merged_q4_all_positions.onnx';
/** One file for all sides. */
const SAME = { vision: 'fp32', decoder: 'q4' };

if (process.argv.includes('--alone')) {
  await captionAlone(process.argv[process.argv.indexOf('--alone') + 1]);
  process.exit(0);
}
const rows = [];
if (only === null || only === 'decode') await measureDecode();
if (only === null || only === 'first') await measureFirstToken();
if (only === null || only === 'memory') measureMemory();
print(rows, ['@huggingface/transformers', 'onnxruntime-node']);
process.exit(0); // transformers.js keeps sessions open

async function generate(captioner, image, options = {}) {
  const { timings, tokens: made } = await captioner.generate(image, { prompt: question, ...options });
  if (options.maxNewTokens !== made.length) throw new Error(`${made.length} tokens`); // it ended early
  return timings;
}

async function measureDecode() {
  const ours = await createCaptioner({ model: folder, dtype: SAME });
  const auto = await createCaptioner({ model: folder });
  const peer = await createPeer(folder, SAME);
  const bare = await createBare(folder, SAME.decoder);
  const bareAuto = await createBare(folder, auto.device.dtype);
  const options = { maxNewTokens: tokens };
  const [image, imageAuto] = [await ours.encodeImage(picture), await auto.encodeImage(picture)];
  const speeds = await alternate(
    {
      ours: async () => (await generate(ours, image, options)).tokensPerSecond,
      bare: () => bare(280, tokens),
      auto: async () => (await generate(auto, imageAuto, options)).tokensPerSecond,
      bareAuto: () => bareAuto(280, tokens),
      peer: async () => (await peer(picture, question, tokens)).tokensPerSecond,
    },
    rounds,
    1,
  );
  rows.push(row('decode, q4, the same file', 'tokens/s', speeds.ours, speeds.peer, speeds.bare));
  rows.push(row(`decode, dtype auto (${auto.device.dtype})`, 'tokens/s', speeds.auto, speeds.peer, speeds.bareAuto));
  await ours.dispose();
  await auto.dispose();
}

async function measureFirstToken() {
  const ours = await createCaptioner({ model: folder, dtype: SAME });
  const auto = await createCaptioner({ model: folder });
  const chosen = { vision: 'q8', decoder: auto.device.dtype };
  const peer = await createPeer(folder, SAME);
  const peerAll = existsSync(join(folder, ALL_POSITIONS)) ? await createPeer(folder, SAME, ALL_POSITIONS) : null;
  const peerChosen = await createPeer(folder, chosen);
  const [bare, bareChosen] = [createBareFirst(folder, SAME), createBareFirst(folder, chosen)];
  const first = { maxNewTokens: 1 };
  const parts = { ours: [], auto: [] };
  const firstToken = async (captioner, image, options = {}) => {
    const timings = await generate(captioner, image, { ...first, ...options });
    if (image === picture && options.resolution === undefined)
      parts[captioner === ours ? 'ours' : 'auto'].push(timings);
    return timings.timeToFirstTokenMs;
  };
  const [image, imageAuto] = [await ours.encodeImage(picture), await auto.encodeImage(picture)];
  const { size, patch } = manifest.image;
  const half = size / 2;
  const { promptTokens } = await peer(picture, question, 1);
  const promptAt = (resolution) => promptTokens - (size / patch) ** 2 + (resolution / patch) ** 2;
  const times = await alternate(
    {
      ours: () => firstToken(ours, picture),
      bare: () => bare(size, promptTokens),
      peer: async () => (await peer(picture, question, 1)).timeToFirstTokenMs,
      ...(peerAll && { peerAll: async () => (await peerAll(picture, question, 1)).timeToFirstTokenMs }),
      peerChosen: async () => (await peerChosen(picture, question, 1)).timeToFirstTokenMs,
      auto: () => firstToken(auto, picture),
      bareChosen: () => bareChosen(size, promptTokens),
      half: () => firstToken(ours, picture, { resolution: half }),
      bareHalf: () => bare(half, promptAt(half)),
      halfAuto: () => firstToken(auto, picture, { resolution: half }),
      bareHalfChosen: () => bareChosen(half, promptAt(half)),
      again: () => firstToken(ours, image, { prompt: another }),
      againAuto: () => firstToken(auto, imageAuto, { prompt: another }),
    },
    rounds,
    1,
  );
  const name = `dtype auto (vision q8, decoder ${chosen.decoder})`;
  rows.push(row('first token, the same files', 'ms', times.ours, times.peer, times.bare));
  if (peerAll) {
    const what = 'first token, the peer with logits of all positions';
    rows.push(row(what, 'ms', times.ours, times.peerAll, times.bare));
  }
  rows.push(row(`first token, ${name}`, 'ms', times.auto, times.peer, times.bareChosen));
  rows.push(row(`first token, ${name}, the peer too`, 'ms', times.auto, times.peerChosen, times.bareChosen));
  rows.push(row(`first token, resolution ${half}, the same files`, 'ms', times.half, times.peer, times.bareHalf));
  rows.push(row(`first token, resolution ${half}, ${name}`, 'ms', times.halfAuto, times.peer, times.bareHalfChosen));
  rows.push(row('second question about the same picture, q4', 'ms', times.again, times.peer));
  rows.push(row(`second question, ${name}`, 'ms', times.againAuto, times.peer));
  for (const [who, taken] of Object.entries(parts)) {
    const of = (key) => median(taken.map((timings) => timings[key])).toFixed(0);
    const before = `read ${of('decodeMs')}, resized ${of('preprocessMs')}`;
    console.log(`first token, ${who}: ${before}, vision ${of('visionMs')}, prompt ${of('prefillMs')} ms`);
  }
  await ours.dispose();
  await auto.dispose();
}

function measureMemory() {
  const [ours, low, auto, autoLow, peer] = ['ours', 'low', 'auto', 'auto-low', 'peer'].map(peakMegabytes);
  rows.push(row('peak resident memory, the same files', 'MB', ours, peer));
  rows.push(row("peak resident memory, the same files, memory: 'low'", 'MB', low, peer));
  rows.push(row('peak resident memory, dtype auto', 'MB', auto, peer));
  rows.push(row("peak resident memory, dtype auto, memory: 'low'", 'MB', autoLow, peer));
}

/** Load, one caption, and out; prints the peak in kilobytes. */
async function captionAlone(who) {
  if (who === 'peer') {
    await (await createPeer(folder, SAME))(picture, question, 8);
  } else {
    const captioner = await createCaptioner({
      model: folder,
      ...(!who.startsWith('auto') && { dtype: SAME }),
      ...(who.endsWith('low') && { memory: 'low' }),
    });
    await captioner.caption(picture, { prompt: question, maxNewTokens: 8 });
  }
  console.log(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

function peakMegabytes(who) {
  const { stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--alone', who], {
    encoding: 'utf8',
  });
  const kilobytes = Number(stdout.trim().split('\n').at(-1));
  if (!(kilobytes > 0)) throw new Error(`no figure for ${who}: ${stderr}`);
  return kilobytes / 1024;
}
