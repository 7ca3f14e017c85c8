/**
 * Loads a CLIP model folder with @huggingface/transformers, every dtype, and compares with the manifest's canary.
 *
 *   node tools/export/check_in_transformers.mjs FOLDER
 *
 * Its dtypes do not know `w8`: such a file is given by its name, as fp32, which is how it computes.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  CLIPTextModelWithProjection,
  CLIPVisionModelWithProjection,
  env,
  PreTrainedTokenizer,
  Tensor,
} from '@huggingface/transformers';

const LEAST_COSINE = 0.999;
const folder = resolve(process.argv[2] ?? '.');
const { image, graphs, canary } = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const model = basename(folder);

function canaryPixels({ size, mean, std }) {
  const data = new Float32Array(3 * size * size);
  for (let c = 0, at = 0; c < 3; c++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const level = ((x * x * (c + 1) + y * y * (3 - c) + x * y * 2) >> 3) & 255;
        data[at++] = (level / 255 - mean[c]) / std[c];
      }
    }
  }
  return new Tensor('float32', data, [1, 3, size, size]);
}

function cosine(a, base64) {
  const bytes = Buffer.from(base64, 'base64');
  const b = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

const tokenizer = await PreTrainedTokenizer.from_pretrained(model);
const text = tokenizer([canary.text.inputText], { padding: 'max_length', truncation: true, max_length: 77 });
const inputs = { vision: { pixel_values: canaryPixels(image) }, text };
const outputs = { vision: 'image_embeds', text: 'text_embeds' };
const expected = { vision: canary.vision, text: canary.text.embedding };
const classes = { vision: CLIPVisionModelWithProjection, text: CLIPTextModelWithProjection };

const cosines = {};
for (const [graph, { files }] of Object.entries(graphs)) {
  for (const dtype of Object.keys(files)) {
    const named = dtype === 'w8' ? { model_file_name: `${graph}_model_w8`, dtype: 'fp32' } : { dtype };
    const loaded = await classes[graph].from_pretrained(model, { ...named, device: 'cpu' });
    const { data } = (await loaded(inputs[graph]))[outputs[graph]];
    cosines[dtype] = { ...cosines[dtype], [graph]: cosine(data, expected[graph]) };
    await loaded.dispose();
  }
}
const worst = Math.min(...Object.values(cosines).flatMap(({ vision, text }) => [vision, text]));
console.log(JSON.stringify({ cosines }));
if (!(worst >= LEAST_COSINE)) {
  console.error(`${folder}: least cosine to the canary is ${worst}, at least ${LEAST_COSINE} expected`);
  process.exit(1);
}
