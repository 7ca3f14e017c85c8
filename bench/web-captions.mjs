/**
 * FastVLM-0.5B: decoding in the page, each side in a tab of its own, since a tab has 4 GB for wasm. At 256 px and with the
 * small vision file on both sides: what is measured is the decoder.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { peerConfigs } from './caption-peer.mjs';
import { alternate, option, row } from './report.mjs';

const folder = 'tools/real/models/fastvlm-0.5b/';
const path = fileURLToPath(new URL(`../${folder}`, import.meta.url));
const size = 256;
const short = 'What are these?';
/** With it a prompt is as long as one with a picture of 1024 px. */
const long = `${short}${' Look at it again.'.repeat(48)}`;
const rounds = Math.min(option('--rounds', 4), 4);
const tokens = option('--tokens', 24);
/** q4 in wasm takes more than a second for each. */
const fewTokens = 4;
const suffixes = { q8: '_quantized', q4: '_q4' };

/** The peer's layout, for each form of the decoder. */
export function captionFiles() {
  if (!existsSync(`${path}mclip.json`)) return {};
  const manifest = JSON.parse(readFileSync(`${path}mclip.json`, 'utf8'));
  const { vision, decoder, embed } = manifest.graphs;
  const configs = peerConfigs(path, { ...manifest, image: { ...manifest.image, size } });
  return Object.fromEntries(
    Object.entries(suffixes).flatMap(([dtype, suffix]) => [
      ...Object.entries(configs).map(([file, config]) => [`/peer/fastvlm-${dtype}/${file}`, config]),
      [`/peer/fastvlm-${dtype}/tokenizer.json`, `/${folder}tokenizer.json`],
      [`/peer/fastvlm-${dtype}/onnx/vision_encoder.onnx`, `/${folder}${vision.files.w8.file}`],
      [`/peer/fastvlm-${dtype}/onnx/decoder_model_merged${suffix}.onnx`, `/${folder}${decoder.files[dtype].file}`],
      [`/peer/fastvlm-${dtype}/onnx/embed_tokens_fp16.onnx`, `/${folder}${embed.files.fp16.file}`],
    ]),
  );
}

export async function measureCaptions(onTabs, rows) {
  if (!existsSync(`${path}mclip.json`)) throw new Error(`no model in ${folder}: npm run bench:models`);
  for (const threads of [1, 2]) {
    await onTabs(4, async ([ours, bare, q8, q4]) => {
      const model = `/${folder}`;
      const { dtype } = await ours.evaluate((options) => bench.openOurs(options), {
        model,
        numThreads: threads,
        resolution: size,
      });
      const run = (tab, text, count) => () => tab.evaluate(([text, count]) => bench.run(text, count), [text, count]);
      const { promptTokens: start } = await run(ours, long, 1)();
      await bare.evaluate((options) => bench.openBare(options), { model, dtype, threads, start });
      for (const [form, tab] of Object.entries({ q8, q4 })) {
        await tab.evaluate((options) => bench.openPeer(options), { name: `fastvlm-${form}`, dtype: form, threads });
      }
      const { promptTokens } = await run(q8, long, 1)();
      if (promptTokens !== start) throw new Error(`The peer's prompt has ${promptTokens} tokens, ours ${start}.`);

      const speed = (work) => async () => (await work()).tokensPerSecond;
      const speeds = await alternate(
        {
          ours: speed(run(ours, long, tokens)),
          bare: speed(run(bare, long, tokens)),
          q8: speed(run(q8, long, tokens)),
          q4: speed(run(q4, long, fewTokens)),
        },
        rounds,
        1,
      );
      const name = `fastvlm-0.5b, ${threads} thread${threads === 1 ? '' : 's'}`;
      const what = `${name}, decode after ${start} tokens, dtype auto (${dtype})`;
      rows.push(row(`${what}, the peer on the same file`, 'tokens/s', speeds.ours, speeds.q8, speeds.bare));
      rows.push(row(`${what}, the peer on q4`, 'tokens/s', speeds.ours, speeds.q4, speeds.bare));

      const first = (tab) => async () => (await run(tab, short, 1)()).timeToFirstTokenMs;
      const times = await alternate({ ours: first(ours), q8: first(q8), q4: first(q4) }, rounds, 1);
      const firstWhat = `${name}, first token, ${size} px, a short question`;
      rows.push(row(`${firstWhat}, the peer on the same files`, 'ms', times.ours, times.q8));
      rows.push(row(`${firstWhat}, the peer on q4`, 'ms', times.ours, times.q4));
    });
  }
}
