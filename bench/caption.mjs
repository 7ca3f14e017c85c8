/**
 * FastVLM-0.5B (random weights, real size): ours against transformers.js and against the bare runtime, in turns within
 * one run; medians. Peak memory is measured in a process of its own for each.
 *
 *   node bench/caption.mjs [--json] [--rounds 3] [--tokens 48]      after npm run build and npm run bench:models
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCaptioner } from '@mclip/node';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { alternate, option, print, row } from './report.mjs';

const rounds = option('--rounds', 3);
const tokens = option('--tokens', 48);
const real = fileURLToPath(new URL('../tools/real/models/', import.meta.url));
const folder = join(real, 'fastvlm-0.5b');
const manifest = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
const picture = join(real, 'images', 'photo-1600x1200.jpg');
const prompt = 'What are these?';
const visionDtype = manifest.graphs.vision.files.fp32 ? 'fp32' : 'w8';
/** One file for all sides. */
const SAME = { vision: visionDtype, decoder: 'q4' };

const alone = process.argv[process.argv.indexOf('--alone') + 1];
if (process.argv.includes('--alone')) {
  await captionAlone(alone);
  process.exit(0);
}

let bare;
const ours = await createCaptioner({ model: folder, dtype: SAME });
const auto = await createCaptioner({ model: folder });
const peer = await createPeer();
const rows = [];

const answer = async (captioner, options = {}) =>
  (await captioner.generate(picture, { prompt, maxNewTokens: tokens, ...options })).timings;
const speeds = await alternate(
  {
    ours: async () => (await answer(ours)).tokensPerSecond,
    auto: async () => (await answer(auto)).tokensPerSecond,
    peer: async () => (await peer(tokens)).tokensPerSecond,
    bare: () => bareTokensPerSecond(),
  },
  rounds,
  1,
);
rows.push(row('decode, q4, the same files', 'tokens/s', speeds.ours, speeds.peer, speeds.bare));
rows.push(row(`decode, dtype auto (${auto.device.dtype})`, 'tokens/s', speeds.auto, speeds.peer));

const encoded = await ours.encodeImage(picture);
const encodedAuto = await auto.encodeImage(picture);
await answer(ours, { maxNewTokens: 1 });
const first = { maxNewTokens: 1 };
const firstToken = async (captioner, image, options = {}) =>
  (await captioner.generate(image, { prompt, ...first, ...options })).timings.timeToFirstTokenMs;
await firstToken(ours, encoded); // the picture is read into the language model once
await firstToken(auto, encodedAuto);
const half = manifest.image.size / 2;
const times = await alternate(
  {
    ours: () => firstToken(ours, picture),
    auto: () => firstToken(auto, picture),
    half: () => firstToken(ours, picture, { resolution: half }),
    again: () => firstToken(ours, encoded, { prompt: 'Is there a dog?' }),
    againAuto: () => firstToken(auto, encodedAuto, { prompt: 'Is there a dog?' }),
    peer: async () => (await peer(1)).firstTokenMs,
  },
  rounds,
  1,
);
rows.push(row('first token, q4, the same vision file', 'ms', times.ours, times.peer));
rows.push(row(`first token, dtype auto (${auto.device.dtype})`, 'ms', times.auto, times.peer));
rows.push(row(`first token, q4, resolution ${half}`, 'ms', times.half, times.peer));
rows.push(row('second question about the same picture, q4', 'ms', times.again, times.peer));
rows.push(row(`second question, dtype auto (${auto.device.dtype})`, 'ms', times.againAuto, times.peer));
await ours.dispose();
await auto.dispose();

const memory = Object.fromEntries(['ours', 'low', 'auto', 'peer'].map((who) => [who, peakMegabytes(who)]));
rows.push(row('peak resident memory, q4', 'MB', memory.ours, memory.peer));
rows.push(row("peak resident memory, q4, memory: 'low'", 'MB', memory.low, memory.peer));
rows.push(row('peak resident memory, dtype auto', 'MB', memory.auto, memory.peer));

print(rows, ['@huggingface/transformers', 'onnxruntime-node']);
process.exit(0); // transformers.js keeps sessions open

/** The decoder alone, as fast as this machine runs it from JavaScript. */
async function bareTokensPerSecond() {
  bare ??= await InferenceSession.create(join(folder, manifest.graphs.decoder.files.q4.file), { logSeverityLevel: 3 });
  const { hidden, layers, kvHeads, headDim } = manifest.decoder;
  const start = 280;
  let past = {};
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ['key', 'value']) {
      const values = new Float32Array(kvHeads * start * headDim).fill(0.01);
      past[`past_key_values.${layer}.${part}`] = new Tensor('float32', values, [1, kvHeads, start, headDim]);
    }
  }
  const embeds = new Tensor('float32', new Float32Array(hidden).fill(0.02), [1, 1, hidden]);
  const ones = new BigInt64Array(start + tokens + 1).fill(1n);
  const startedAt = performance.now();
  for (let step = 1; step <= tokens; step++) {
    const attention_mask = new Tensor('int64', ones.subarray(0, start + step), [1, start + step]);
    const outputs = await bare.run({ inputs_embeds: embeds, attention_mask, ...past });
    past = {};
    for (const name of bare.outputNames) {
      if (name !== 'logits') past[name.replace('present', 'past_key_values')] = outputs[name];
    }
  }
  return (tokens * 1000) / (performance.now() - startedAt);
}

/** transformers.js on the same files, as its documentation runs FastVLM. */
async function createPeer() {
  const { AutoModelForImageTextToText, AutoProcessor, env, load_image, TextStreamer } = await import(
    '@huggingface/transformers'
  );
  const name = 'peer-fastvlm-0.5b';
  const home = join(real, name);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(join(home, 'onnx'), { recursive: true });
  const { vision, decoder, embed } = manifest.graphs;
  const [embedDtype] = Object.keys(embed.files);
  const suffix = { fp32: '', fp16: '_fp16', q4: '_q4' };
  const link = (file, as) => symlinkSync(join(folder, file), join(home, 'onnx', as));
  link(vision.files[visionDtype].file, 'vision_encoder.onnx');
  link(decoder.files.q4.file, 'decoder_model_merged_q4.onnx');
  link(embed.files[embedDtype].file, `embed_tokens${suffix[embedDtype]}.onnx`);
  symlinkSync(join(folder, 'tokenizer.json'), join(home, 'tokenizer.json'));
  for (const file of ['config.json', 'preprocessor_config.json', 'processor_config.json', 'tokenizer_config.json']) {
    if (existsSync(join(folder, file))) symlinkSync(join(folder, file), join(home, file));
    else writeFileSync(join(home, file), JSON.stringify(peerConfig(file)));
  }
  env.allowRemoteModels = false;
  env.localModelPath = real;
  const processor = await AutoProcessor.from_pretrained(name);
  const model = await AutoModelForImageTextToText.from_pretrained(name, {
    dtype: { vision_encoder: 'fp32', embed_tokens: embedDtype, decoder_model_merged: 'q4' },
    device: 'cpu',
  });
  const text =
    `<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\n${prompt}<|im_end|>\n` +
    '<|im_start|>assistant\n';
  return async (count) => {
    const startedAt = performance.now();
    const image = await load_image(picture);
    const inputs = await processor(image, text, { add_special_tokens: false });
    const at = [];
    const streamer = new TextStreamer(processor.tokenizer, {
      skip_prompt: true,
      callback_function: () => {},
      token_callback_function: () => at.push(performance.now()),
    });
    await model.generate({ ...inputs, max_new_tokens: count, do_sample: false, streamer });
    const times = at.slice(at.length - count);
    return {
      firstTokenMs: times[0] - startedAt,
      tokensPerSecond: ((times.length - 1) * 1000) / (times.at(-1) - times[0]),
    };
  };
}

function tokenId(content) {
  const { added_tokens } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'));
  return added_tokens.find((token) => token.content === content).id;
}

/** Where the export has no such file. */
function peerConfig(file) {
  const { decoder, image } = manifest;
  const heads = { num_attention_heads: decoder.hidden / decoder.headDim, num_key_value_heads: decoder.kvHeads };
  const configs = {
    'config.json': {
      model_type: 'llava_qwen2',
      architectures: ['LlavaQwen2ForCausalLM'],
      image_token_index: tokenId('<image>'),
      image_token_id: tokenId('<image>'),
      hidden_size: decoder.hidden,
      num_hidden_layers: decoder.layers,
      ...heads,
      eos_token_id: 151_645,
      vocab_size: manifest.embedding.rows,
    },
    'preprocessor_config.json': {
      processor_class: 'LlavaProcessor',
      image_processor_type: 'CLIPImageProcessor',
      do_resize: true,
      size: { shortest_edge: image.size },
      resample: 3,
      do_center_crop: true,
      crop_size: { height: image.size, width: image.size },
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: false,
      do_convert_rgb: true,
    },
    'processor_config.json': {
      processor_class: 'LlavaProcessor',
      image_token: '<image>',
      patch_size: image.patch,
      num_additional_image_tokens: 0,
    },
    'tokenizer_config.json': { tokenizer_class: 'Qwen2Tokenizer', eos_token: '<|im_end|>' },
  };
  return configs[file];
}

/** Load, one caption, and out. */
async function captionAlone(who) {
  if (who === 'peer') {
    await (await createPeer())(8);
  } else {
    const captioner = await createCaptioner({
      model: folder,
      ...(who === 'auto' ? {} : { dtype: SAME }),
      memory: who === 'low' ? 'low' : 'auto',
    });
    await captioner.caption(picture, { prompt, maxNewTokens: 8 });
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
