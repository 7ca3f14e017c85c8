/**
 * FastVLM-0.5B (random weights, real size): ours against transformers.js and against the bare runtime, each in a process
 * of its own (`caption-alone.mjs`), in turns; medians of the rounds.
 *
 *   node bench/caption.mjs [--json] [--rounds 5] [--tokens 48] [--only speed|memory]
 *
 * after npm run build; the model is tools/real/models/fastvlm-0.5b, made by tools/export (--model fastvlm-0.5b).
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { has } from './caption-alone.mjs';
import { median, option, print, row } from './report.mjs';

const ALONE = fileURLToPath(new URL('caption-alone.mjs', import.meta.url));
const rounds = option('--rounds', 5);
const tokens = option('--tokens', 48);
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;

const rows = [];
if (only === null || only === 'speed') measureSpeed();
if (only === null || only === 'memory') measureMemory();
print(rows, ['@huggingface/transformers', 'onnxruntime-node']);

function alone(side, task) {
  const { stdout, stderr } = spawnSync(process.execPath, [ALONE, side, JSON.stringify(task)], { encoding: 'utf8' });
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1));
  } catch (cause) {
    throw new Error(`no figures of ${side}: ${stderr}`, { cause });
  }
}

function measureSpeed() {
  // the first time reads the files, and tells what to measure
  const { chosen, promptTokens } = alone('auto', { task: 'speed', tokens });
  const sides = ['ours', 'bare', 'auto', 'bare-chosen', 'peer', 'peer-chosen', 'ours-all', 'peer-all'].filter(has);
  const samples = Object.fromEntries(sides.map((side) => [side, []]));
  for (let round = 0; round < rounds; round++) {
    // another order each time, so that none always follows the same
    for (const side of [...sides.slice(round % sides.length), ...sides.slice(0, round % sides.length)]) {
      samples[side].push(alone(side, { task: 'speed', tokens, chosen, promptTokens }));
    }
  }
  const of = (side, key) => median(samples[side].map((sample) => sample[key]));
  const against = (what, key, unit, ours, peer, bare = null, peerKey = key) =>
    rows.push(row(what, unit, of(ours, key), of(peer, peerKey), bare && of(bare, key)));
  const name = `dtype auto (vision ${chosen.vision}, decoder ${chosen.decoder})`;

  against('decode, q4, the same file', 'decode', 'tokens/s', 'ours', 'peer', 'bare');
  against(`decode, dtype auto (${chosen.decoder})`, 'decode', 'tokens/s', 'auto', 'peer', 'bare-chosen');
  against('first token, the same files', 'first', 'ms', 'ours', 'peer', 'bare');
  if (has('ours-all')) {
    const what = 'first token, the same files, the decoder with the logits of all positions';
    against(what, 'first', 'ms', 'ours-all', 'peer-all');
  }
  against(`first token, ${name}`, 'first', 'ms', 'auto', 'peer', 'bare-chosen');
  against(`first token, ${name}, the peer too`, 'first', 'ms', 'auto', 'peer-chosen', 'bare-chosen');
  against('first token, resolution halved, the same files', 'half', 'ms', 'ours', 'peer', 'bare', 'first');
  against(`first token, resolution halved, ${name}`, 'half', 'ms', 'auto', 'peer', 'bare-chosen', 'first');
  against('second question about the same picture, q4', 'again', 'ms', 'ours', 'peer', null, 'first');
  against(`second question, ${name}`, 'again', 'ms', 'auto', 'peer', null, 'first');

  for (const side of sides) {
    const all = (key) => samples[side].map((sample) => sample[key].toFixed(key === 'decode' ? 1 : 0)).join(' ');
    console.log(`${side}: tokens/s ${all('decode')}; first token ${all('first')} ms`);
  }
  for (const side of ['ours', 'auto']) {
    const parts = samples[side].flatMap((sample) => sample.parts);
    const part = (key) => median(parts.map((timings) => timings[key])).toFixed(0);
    const before = `read ${part('decodeMs')}, resized ${part('preprocessMs')}`;
    console.log(`first token, ${side}: ${before}, vision ${part('visionMs')}, prompt ${part('prefillMs')} ms`);
  }
}

function measureMemory() {
  const [ours, low, auto, autoLow, peer] = ['ours', 'low', 'auto', 'auto-low', 'peer'].map((side) =>
    alone(side, { task: 'memory' }),
  );
  rows.push(row('peak resident memory, the same files', 'MB', ours, peer));
  rows.push(row("peak resident memory, the same files, memory: 'low'", 'MB', low, peer));
  rows.push(row('peak resident memory, dtype auto', 'MB', auto, peer));
  rows.push(row("peak resident memory, dtype auto, memory: 'low'", 'MB', autoLow, peer));
}
