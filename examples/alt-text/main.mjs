/**
 * Alt text for a folder of pictures: one line of JSON per picture, ready for a build script.
 *
 *   node main.mjs <folder> [model]     model: 'fastvlm-0.5b' for photographs (Apple's weights: research only)
 */
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { nanoVlm } from '@mclip/nano';
import { createCaptioner, MclipError } from '@mclip/node';

const [folder = new URL('../node-classify/images/', import.meta.url).pathname, model = nanoVlm] = process.argv.slice(2);
const IMAGES = new Set(['.png', '.jpg', '.jpeg', '.webp', '.avif', '.gif', '.svg', '.tiff']);

const captioner = await createCaptioner({ model });
for (const file of (await readdir(folder)).sort()) {
  if (!IMAGES.has(extname(file).toLowerCase())) continue;
  try {
    const alt = await captioner.caption(join(folder, file), { maxNewTokens: 40 });
    console.log(JSON.stringify({ file, alt }));
  } catch (error) {
    if (!MclipError.isInstance(error) || error.code !== 'IMAGE_DECODE') throw error;
    console.error(`${file}: ${error.message}`); // a broken picture does not stop the others
  }
}
await captioner.dispose();
