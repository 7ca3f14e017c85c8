/**
 * Classifies pictures with labels in plain words, offline.
 *
 *   node main.mjs [picture …]          default: the pictures in ./images
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { nanoClip } from '@mclip/nano';
import { createClassifier } from '@mclip/node';
import { labels, shown } from './labels.mjs';

const folder = new URL('images/', import.meta.url).pathname;
const pictures = process.argv.slice(2);
if (pictures.length === 0) {
  for (const name of await readdir(folder)) if (name.endsWith('.png')) pictures.push(join(folder, name));
}

const startedAt = performance.now();
const classifier = await createClassifier(labels, {
  model: nanoClip, // for photographs: model: 'mobileclip2-s0' (Apple's weights: research only, 300 MB on first use)
});
const { name, dtype, threads } = classifier.device;
console.log(
  `${labels.length} labels, ready in ${Math.round(performance.now() - startedAt)} ms on ${name} (${dtype}, ${threads} threads)\n`,
);

let right = 0;
for (const picture of pictures) {
  const before = performance.now();
  const results = await classifier.classify(picture, { topK: 3 });
  const ms = (performance.now() - before).toFixed(1).padStart(5);
  if (results[0].label === shown[basename(picture, '.png')]) right++;
  const ranked = results.map(({ label, score }) => `${label} ${Math.round(score * 100)} %`.padEnd(20)).join(' ');
  console.log(`${basename(picture).padEnd(16)} ${ms} ms  ${ranked}`);
}
if (process.argv.length === 2) console.log(`\n${right} of ${pictures.length} right`);

await classifier.dispose();
