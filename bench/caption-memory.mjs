/**
 * Resident memory over 200 captions with nano-vlm, in a worker: flat means that the last quarter is within 5 % of the
 * second.
 *
 *   node --expose-gc bench/caption-memory.mjs [--json] [--captions 200]
 */
import { fileURLToPath } from 'node:url';
import { nanoVlm } from '@mclip/nano';
import { createCaptioner } from '@mclip/node';
import { option, print, row } from './report.mjs';

const captions = option('--captions', 200);
const folder = new URL('../examples/node-classify/images/', import.meta.url);
const pictures = ['cat', 'dog', 'pizza', 'rocket'].map((name) => fileURLToPath(new URL(`${name}.png`, folder)));

const captioner = await createCaptioner({ model: nanoVlm });
const resident = [];
for (let count = 0; count < captions; count++) {
  const text = await captioner.caption(pictures[count % pictures.length]);
  if (text === '') throw new Error('no caption');
  globalThis.gc?.();
  resident.push(process.memoryUsage().rss / 2 ** 20);
}
await captioner.dispose();
const mean = (from, to) => {
  const part = resident.slice(Math.round(from * captions), Math.round(to * captions));
  return part.reduce((sum, value) => sum + value, 0) / part.length;
};
// ours: mean of the last quarter; bare: of the second
print([row(`${captions} captions`, 'MB', mean(0.75, 1), null, mean(0.25, 0.5))], ['onnxruntime-node']);
