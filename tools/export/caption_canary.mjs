/**
 * Greedy tokens of @mclip/node about the canary's picture, one JSON line: what check_captions.py compares.
 *
 *   node tools/export/caption_canary.mjs FOLDER VISION_DTYPE DECODER_DTYPE TOKENS
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCaptioner } from '@mclip/node';
import { canaryPicture } from './canary_picture.mjs';

const [folder, vision, decoder, maxNewTokens] = process.argv.slice(2);
const { canary } = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
const started = performance.now();
const captioner = await createCaptioner({ model: folder, device: 'cpu', dtype: { vision, decoder }, worker: false });
const loadMs = Math.round(performance.now() - started);
const { tokens } = await captioner.generate(canaryPicture(canary.size), {
  prompt: canary.question,
  resolution: canary.size,
  maxNewTokens: Number(maxNewTokens),
});
const residentMegabytes = Math.round(process.memoryUsage.rss() / 1e6);
await captioner.dispose();
console.log(JSON.stringify({ tokens, loadMs, residentMegabytes }));
