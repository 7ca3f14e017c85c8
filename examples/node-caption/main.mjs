/**
 * Captions pictures as they are written, and asks about them, offline.
 *
 *   node main.mjs [picture …]          default: some of the pictures of ../node-classify
 */
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nanoVlm } from '@mclip/nano';
import { createCaptioner } from '@mclip/node';

const folder = fileURLToPath(new URL('../node-classify/images/', import.meta.url));
const pictures = process.argv.slice(2);
if (pictures.length === 0) {
  for (const name of ['strawberry', 'penguin', 'airplane', 'rose']) pictures.push(join(folder, `${name}.png`));
}

const captioner = await createCaptioner({
  model: nanoVlm, // for photographs: model: 'fastvlm-0.5b' (Apple's weights: research only, about 1 GB on first use)
});
console.log(`on ${captioner.device.name} (${captioner.device.dtype}, ${captioner.device.threads} threads)\n`);

for (const picture of pictures) {
  process.stdout.write(`${basename(picture).padEnd(16)} `);
  const image = await captioner.encodeImage(picture); // looked at once, asked about often
  for await (const delta of captioner.stream(image)) process.stdout.write(delta);

  const { text, timings } = await captioner.generate(image, { prompt: 'What colour is it?' });
  const [best] = await captioner.choose(image, 'Is this an animal?', ['yes', 'no']);
  console.log(
    `\n${' '.repeat(17)}What colour is it? ${text} (first token after ${timings.timeToFirstTokenMs.toFixed(0)} ms)`,
  );
  console.log(`${' '.repeat(17)}Is this an animal? ${best.option} (${Math.round(best.probability * 100)} %)\n`);
  await image.dispose();
}

await captioner.dispose();
