/**
 * Times decoder files in turns, each in a process of its own: one token after 280 others, and a prompt of 64. Medians.
 *
 *   node tools/export/compare_decoders.mjs [--wasm] [--rounds 3] FILE FILE ...
 *
 * natively on two threads, or with --wasm in WebAssembly on one (onnxruntime-web in Node.js).
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tensor } from 'onnxruntime-common';

const TOKENS = 280;
const PROMPT = 64;
const STEPS = 12;
const args = process.argv.slice(2);
const wasm = args.includes('--wasm');
const at = args.indexOf('--rounds');
const rounds = at < 0 ? 3 : Number(args[at + 1]);
const files = args.filter((arg, i) => !arg.startsWith('--') && (at < 0 || i !== at + 1));
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function open(file) {
  if (!wasm) {
    const { InferenceSession } = await import('onnxruntime-node');
    return InferenceSession.create(file, { intraOpNumThreads: 2 });
  }
  const { env, InferenceSession } = await import('onnxruntime-web');
  env.wasm.numThreads = 1;
  return InferenceSession.create(new Uint8Array(readFileSync(file)));
}

async function measure(file) {
  const { decoder } = JSON.parse(readFileSync(join(dirname(file), 'mclip.json'), 'utf8'));
  const session = await open(file);
  const feeds = (sequence, past) => {
    const total = sequence + past;
    const inputs = {
      inputs_embeds: random([1, sequence, decoder.hidden]),
      attention_mask: new Tensor('int64', new BigInt64Array(total).fill(1n), [1, total]),
    };
    for (const name of session.inputNames.filter((one) => one.startsWith('past_key_values'))) {
      inputs[name] = random([1, decoder.kvHeads, past, decoder.headDim]);
    }
    return inputs;
  };
  const time = async (inputs, count) => {
    const times = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await session.run(inputs);
      times.push(performance.now() - start);
    }
    return median(times.slice(1));
  };
  return { token: await time(feeds(1, TOKENS), STEPS), prompt: await time(feeds(PROMPT, 0), 4) };
}

function random(dims) {
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9898) * 0.8);
  return new Tensor('float32', data, dims);
}

if (process.env.MCLIP_MEASURE) {
  console.log(JSON.stringify(await measure(process.env.MCLIP_MEASURE)));
} else {
  const found = files.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, file] of files.entries()) {
      const env = { ...process.env, MCLIP_MEASURE: file };
      const { stdout, status, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args], {
        env,
      });
      if (status !== 0) throw new Error(`${file}: ${stderr}`);
      found[i].push(JSON.parse(stdout.toString().trim().split('\n').at(-1)));
    }
  }
  for (const what of ['token', 'prompt']) {
    const medians = found.map((runs) => median(runs.map((run) => run[what])));
    const shown = medians.map((ms, i) => `${ms.toFixed(1)} ms (${(ms / medians[0]).toFixed(3)}) ${files[i]}`);
    console.log(`${wasm ? 'wasm, 1 thread' : 'native, 2 threads'}, ${what}: ${shown.join(', ')}`);
  }
}
