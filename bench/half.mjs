/**
 * Half-precision files as public repositories have them against the single-precision file, in turns within one run:
 * time of an image through the public API, bytes, and the largest difference of the unit vectors.
 *
 *   node bench/half.mjs [--json] [--rounds 15]      after npm run build, bench:models and tools/half/make_files.py --fastvlm
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCaptioner, createEmbedder } from '@mclip/node';
import { alternate, option, print, row } from './report.mjs';

const rounds = option('--rounds', 15);
const models = fileURLToPath(new URL('../tools/real/models/', import.meta.url));
const converters = ['common', 'onnxruntime'];
const rows = [];

await measure('MobileCLIP2-S0 vision', 'mobileclip2-s0', 's0-vision', async (model) => {
  const embedder = await createEmbedder({ model, worker: false });
  const image = picture(256);
  return {
    ms: async () => {
      const startedAt = performance.now();
      await embedder.encodeImage(image);
      return performance.now() - startedAt;
    },
    answer: () => embedder.encodeImage(image),
    dispose: () => embedder.dispose(),
  };
});
if (existsSync(join(models, 'half', 'fastvlm-vision.common.onnx'))) {
  await measure('FastVLM-0.5B vision, 1024 px', 'fastvlm-0.5b', 'fastvlm-vision', async (model) => {
    const captioner = await createCaptioner({ model, worker: false, dtype: { decoder: 'q4' } });
    const image = picture(1024);
    return {
      ms: async () => (await captioner.generate(image, { maxNewTokens: 1 })).timings.visionMs,
      answer: null,
      dispose: () => captioner.dispose(),
    };
  });
}
print(rows, ['onnxruntime-node']);

async function measure(what, folder, name, open) {
  const files = { fp32: null, ...Object.fromEntries(converters.map((one) => [one, `${name}.${one}.onnx`])) };
  const homes = Object.fromEntries(Object.entries(files).map(([key, half]) => [key, modelFolder(folder, half)]));
  const sides = {};
  for (const [key, home] of Object.entries(homes)) sides[key] = await open(home);
  const times = await alternate(Object.fromEntries(Object.entries(sides).map(([key, { ms }]) => [key, ms])), rounds);
  const reference = await sides.fp32.answer?.();
  const bytes = (key) => statSync(visionFile(homes[key])).size;
  for (const converter of converters) {
    rows.push(row(`${what}, fp16 by ${converter}; bare: fp32`, 'ms', times[converter], null, times.fp32));
    rows.push(row(`${what}, bytes; bare: fp32`, 'MB', bytes(converter) / 1e6, null, bytes('fp32') / 1e6));
    if (reference === undefined) continue;
    const own = await sides[converter].answer();
    const difference = reference.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i])), 0);
    console.log(`${what}, ${converter}: largest difference of the unit vectors to fp32 ${difference.toExponential(1)}`);
  }
  for (const side of Object.values(sides)) await side.dispose();
  for (const home of Object.values(homes)) rmSync(home, { recursive: true });
}

/** The model with one vision file: its fp32 one, or a half-precision one in its place. */
function modelFolder(folder, half) {
  const source = join(models, folder);
  const home = mkdtempSync(join(tmpdir(), 'mclip-half-'));
  const manifest = JSON.parse(readFileSync(join(source, 'mclip.json'), 'utf8'));
  const { files } = manifest.graphs.vision;
  const link = (file) => existsSync(join(source, file)) && symlinkSync(join(source, file), join(home, file));
  for (const graph of Object.values(manifest.graphs)) for (const { file } of Object.values(graph.files)) link(file);
  for (const { file } of Object.values(manifest.embedding?.files ?? {})) link(file);
  link('tokenizer.json');
  if (half === null) manifest.graphs.vision.files = { fp32: files.fp32 };
  else {
    symlinkSync(join(models, 'half', half), join(home, half));
    manifest.graphs.vision.files = { fp16: { file: half, bytes: null, sha256: null } };
  }
  writeFileSync(join(home, 'mclip.json'), JSON.stringify(manifest));
  return home;
}

function visionFile(home) {
  const { files } = JSON.parse(readFileSync(join(home, 'mclip.json'), 'utf8')).graphs.vision;
  return join(home, Object.values(files)[0].file);
}

/** Seeded noise. */
function picture(size) {
  let state = 1;
  const data = Uint8Array.from({ length: 3 * size * size }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
  return { data, width: size, height: size, channels: 3 };
}
