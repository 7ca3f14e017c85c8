/**
 * Resident memory and JavaScript heap over 200 captions with nano-vlm, in a worker and without one, where the worker's own
 * heap is seen: flat means that the last quarter is within 5 % of the second.
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

/** Bytes after each caption. */
async function memory(worker) {
  const captioner = await createCaptioner({ model: nanoVlm, worker });
  const resident = [];
  const heap = [];
  for (let count = 0; count < captions; count++) {
    const text = await captioner.caption(pictures[count % pictures.length]);
    if (text === '') throw new Error('no caption');
    globalThis.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    resident.push(rss);
    heap.push(heapUsed);
  }
  await captioner.dispose();
  return { resident, heap };
}

function mean(samples, from, to) {
  const part = samples.slice(Math.round(from * captions), Math.round(to * captions));
  return part.reduce((sum, bytes) => sum + bytes, 0) / part.length / 2 ** 20;
}

const rows = [];
for (const worker of [true, false]) {
  for (const [what, samples] of Object.entries(await memory(worker))) {
    // ours: mean of the last quarter; bare: of the second
    const name = `${captions} captions${worker ? '' : ', no worker'}, ${what}`;
    rows.push(row(name, 'MB', mean(samples, 0.75, 1), null, mean(samples, 0.25, 0.5)));
  }
}
print(rows, ['onnxruntime-node']);
