/**
 * Memory over 10,000 classifications in a worker, a fifth as many without one, and 50 create/dispose cycles, with nano.
 * Flat means that the last quarter is within 5 % of the second; and, since that lets a small leak pass in a short run,
 * that the JavaScript heap of the last half does not grow by half a kilobyte a picture or 24 a cycle. What a worker's own
 * heap would lose is seen without one, where the same code runs on this heap.
 *
 *   node --expose-gc bench/memory.mjs [--json] [--check] [--images 10000] [--cycles 50]
 *
 * With --check it fails unless memory and heap are flat and no worker is left.
 */
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { nanoClip } from '@mclip/nano';
import { createClassifier } from '@mclip/node';
import { growsBy, slopeOf } from './slope.mjs';

const option = (name, fallback) => Number(process.argv[process.argv.indexOf(name) + 1]) || fallback;
const images = option('--images', 10_000);
const cycles = option('--cycles', 50);
const folder = new URL('../examples/node-classify/images/', import.meta.url);
const pictures = ['cat', 'dog', 'pizza', 'rocket'].map((name) => fileURLToPath(new URL(`${name}.png`, folder)));
const labels = ['cat', 'dog', 'pizza', 'rocket'];

/** Most that the heap may grow by, bytes. Flat runs of 1,000 and 20 were seen to grow by 60 to 150, and 11 KB. */
const MOST_PER_IMAGE = 512;
const MOST_PER_CYCLE = 24 << 10;

const rows = [];
const leaks = [];

const perSecond = await classifications(images, true);
await classifications(Math.max(1000, images / 5), false);

const overCycles = [];
const heapOverCycles = [];
for (let cycle = 0; cycle < cycles; cycle++) {
  const each = await createClassifier(labels, { model: nanoClip });
  await each.classify(pictures[cycle % 4]);
  await each.dispose();
  overCycles.push(resident());
  heapOverCycles.push(heap());
}
rows.push(row(`${cycles} create/dispose cycles, resident`, overCycles));
rows.push(row(`${cycles} create/dispose cycles, JS heap`, heapOverCycles));
checkSlope('create/dispose cycle', heapOverCycles, 1, MOST_PER_CYCLE);

console.table(rows);
const left = process.getActiveResourcesInfo().filter((name) => /worker|messageport/i.test(name));
console.log(`workers left: ${left.length}`);
for (const leak of leaks) console.log(leak);
if (process.argv.includes('--check') && (left.length > 0 || leaks.length > 0 || rows.some(grows))) {
  process.exitCode = 1;
}
console.log(`${perSecond.toFixed(0)} images/s through classifyStream`);
if (process.argv.includes('--json')) {
  console.log(
    JSON.stringify({
      machine: `${cpus()[0].model}, ${cpus().length} cores`,
      versions: { node: process.version },
      rows,
    }),
  );
}

/** Pictures a second. */
async function classifications(images, worker) {
  const where = worker ? '' : ', no worker';
  const classifier = await createClassifier(labels, { model: nanoClip, worker });
  const over = [];
  const heapOver = [];
  const startedAt = performance.now();
  let count = 0;
  function* endless() {
    for (let index = 0; index < images; index++) yield pictures[index % pictures.length];
  }
  for await (const { results } of classifier.classifyStream(endless(), { topK: 1 })) {
    if (results.length !== 1) throw new Error('no result');
    if (++count % (images / 100) === 0) {
      over.push(resident());
      heapOver.push(heap());
    }
  }
  const perSecond = (images / (performance.now() - startedAt)) * 1000;
  await classifier.dispose();
  rows.push(row(`${images} classifications${where}, resident`, over));
  rows.push(row(`${images} classifications${where}, JS heap`, heapOver));
  checkSlope(`classification${where}`, heapOver, images / 100, MOST_PER_IMAGE);
  return perSecond;
}

/** @param samples MB @param each how many of `what` are between two of them @param most bytes */
function checkSlope(what, samples, each, most) {
  const bytes = samples.map((megabytes) => (megabytes * 2 ** 20) / each);
  const { slope, error } = slopeOf(bytes.slice(bytes.length >> 1));
  console.log(`heap: ${slope.toFixed(0)} bytes a ${what}, give or take ${error.toFixed(0)}; ${most} at most`);
  if (growsBy(bytes, most)) leaks.push(`The JavaScript heap grows by ${slope.toFixed(0)} bytes a ${what}.`);
}

function resident() {
  globalThis.gc?.();
  return process.memoryUsage().rss / 2 ** 20;
}

function heap() {
  return process.memoryUsage().heapUsed / 2 ** 20; // after the collection of `resident`
}

/** `ours`: mean of the last quarter; `bare`: of the second. */
function row(what, samples) {
  const quarter = samples.length / 4;
  const mean = (from, to) => samples.slice(from, to).reduce((sum, value) => sum + value, 0) / (to - from);
  const second = mean(Math.floor(quarter), Math.floor(2 * quarter));
  const last = mean(Math.floor(3 * quarter), samples.length);
  const round = (value) => Number(value.toFixed(2));
  return {
    what,
    ours: round(last),
    peer: null,
    bare: round(second),
    ratioToPeer: null,
    ratioToBare: round(last / second),
    unit: 'MB',
  };
}

/** More than 5 %; in a short run also more than what garbage that is not collected yet amounts to. */
function grows({ what, ours, bare, ratioToBare }) {
  const noise = images >= 10_000 && cycles >= 50 ? 0 : what.endsWith('heap') ? 1 : 12; // MB
  return ratioToBare > 1.05 && ours - bare > noise;
}
