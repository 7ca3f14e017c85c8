/**
 * CPU time from RGB bytes to the bytes of a model's square input: the scalar path, the WebAssembly SIMD path, and sharp
 * (libvips, one thread, another algorithm and other bytes) for context. The three take turns, so that a busy machine
 * slows all alike; medians, and the best of the SIMD path, which is nearest to a quiet machine.  node bench/resize.mjs [--json]
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { build } from 'esbuild';
import sharp from 'sharp';

const ROUNDS = 25;
const SIZE = 256;
const PICTURES = [
  [451, 300],
  [1600, 1200],
  [4032, 3024],
];

const folder = new URL('../packages/core/src/image/', import.meta.url);
await import(new URL('kernel/build.mjs', folder));
const { outputFiles } = await build({
  stdin: {
    contents: `export { resizeJob } from './resize-plan.ts';
      export { shortestEdgeSize, centerCropWindow } from './geometry.ts';
      export { resizeScalar } from './kernel/scalar.ts';
      export { resizeSimd } from './resize.ts';
      export { preprocess } from './preprocess.ts';`,
    resolveDir: folder.pathname,
    loader: 'ts',
  },
  bundle: true,
  format: 'esm',
  write: false,
});
const image = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
sharp.concurrency(1);

const rows = [];
for (const [width, height] of PICTURES) {
  const data = noise(width * height * 3);
  for (const interpolation of ['bilinear', 'bicubic']) {
    const resized = image.shortestEdgeSize(width, height, SIZE);
    const window = image.centerCropWindow(resized, SIZE);
    const part = { data, x: 0, y: 0, width, height, channels: 3 };
    const job = () => image.resizeJob(part, { size: resized, window, interpolation });
    const { medians, best } = await alternate({
      scalar: () => image.resizeScalar(job(), part),
      simd: () => image.resizeSimd(job(), part),
      preprocess: () =>
        image.preprocess(
          { data, width, height },
          { size: SIZE, fit: 'crop', interpolation, mean: [0, 0, 0], std: [1, 1, 1] },
        ),
      sharp: () => resizeWithSharp(data, width, height, resized, window, interpolation),
    });
    rows.push({ what: `${width}x${height} -> ${SIZE} ${interpolation}`, ...medians, simdBest: best.simd });
  }
}

console.table(
  rows.map(({ what, scalar, simd, simdBest, preprocess, sharp }) => ({
    'resize and crop': what,
    'scalar ms': round(scalar),
    'simd ms': round(simd),
    'simd best ms': round(simdBest),
    'simd + floats ms': round(preprocess),
    'sharp ms': round(sharp),
    'scalar / simd': round(scalar / simd),
    'simd / sharp': round(simd / sharp),
  })),
);
if (process.argv.includes('--json')) {
  const { version } = JSON.parse(readFileSync(new URL('../node_modules/sharp/package.json', import.meta.url), 'utf8'));
  const report = {
    machine: `${cpus()[0].model}, ${cpus().length} cores`,
    versions: { node: process.version, sharp: version },
    rows: rows.map(({ what, scalar, simd, simdBest, sharp }) => ({
      what,
      ours: round(simd),
      oursBest: round(simdBest),
      peer: round(sharp),
      bare: round(scalar),
      ratioToPeer: round(simd / sharp),
      ratioToBare: round(simd / scalar),
      unit: 'ms',
    })),
  };
  console.log(JSON.stringify(report));
}

/** Median and least milliseconds of each, run in turn after a warm-up. */
async function alternate(subjects) {
  const samples = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
  for (let round = -3; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(subjects)) {
      const start = performance.now();
      await run();
      if (round >= 0) samples[name].push(performance.now() - start);
    }
  }
  const each = (of) => Object.fromEntries(Object.entries(samples).map(([name, times]) => [name, of(times)]));
  return { medians: each(median), best: each((times) => Math.min(...times)) };
}

function resizeWithSharp(data, width, height, resized, window, interpolation) {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize({
      ...resized,
      fit: 'fill',
      kernel: { bilinear: 'linear', bicubic: 'cubic' }[interpolation],
      fastShrinkOnLoad: false,
    })
    .extract({ left: window.x, top: window.y, width: window.width, height: window.height })
    .raw()
    .toBuffer();
}

function noise(length) {
  const data = new Uint8Array(length);
  for (let i = 0, x = 1; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    data[i] = x >>> 24;
  }
  return data;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function round(value) {
  return Math.round(value * 100) / 100;
}
