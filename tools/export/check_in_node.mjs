/**
 * Loads a model folder through @mclip/node, every dtype, and compares with the manifest's canary; prints one JSON line.
 *
 *   node tools/export/check_in_node.mjs FOLDER
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createClassifier, createEmbedder, similarity } from '@mclip/node';
import { canaryPicture } from './canary_picture.mjs';

const LEAST_COSINE = 0.999;
const folder = resolve(process.argv[2] ?? '.');
const { image, graphs, canary } = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));

function floats(base64) {
  const bytes = Buffer.from(base64, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

const picture = canaryPicture(image.size);
const cosines = {};
for (const dtype of Object.keys(graphs.vision.files)) {
  const embedder = await createEmbedder({ model: folder, dtype, worker: false });
  cosines[dtype] = {
    vision: similarity(await embedder.encodeImage(picture), floats(canary.vision)),
    text: similarity(await embedder.encodeText(canary.text.inputText), floats(canary.text.embedding)),
  };
  await embedder.dispose();
}

const labels = ['a river', 'a bottle', 'a parrot'];
const classifier = await createClassifier(labels, { model: folder, worker: false });
const results = await classifier.classify(picture);
const { dtype } = classifier.device;
await classifier.dispose();

const worst = Math.min(...Object.values(cosines).flatMap(({ vision, text }) => [vision, text]));
const ranked =
  results.length === labels.length && Math.abs(results.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-6;
console.log(JSON.stringify({ dtype, cosines, best: results[0].label }));
if (!(worst >= LEAST_COSINE && ranked)) {
  console.error(
    `${folder}: least cosine to the canary is ${worst}, at least ${LEAST_COSINE} expected; ranked: ${ranked}`,
  );
  process.exit(1);
}
