/** Rows of a benchmark: how they are measured, named and printed. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** A number after a flag of the command line. */
export const option = (name, fallback) => Number(process.argv[process.argv.indexOf(name) + 1]) || fallback;

/** The threads of one side's runtime go on spinning for a while after a run, on the cores that the other side needs. */
export const rest = () => new Promise((resolve) => setTimeout(resolve, 60));

/** Two warm-up rounds and `count` more of each work in turn; medians in ms, or of what the works return. */
export async function alternate(works, count, warmUps = 2) {
  const samples = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  for (let round = -warmUps; round < count; round++) {
    for (const [name, work] of Object.entries(works)) {
      await rest();
      const startedAt = performance.now();
      const own = await work();
      const ms = performance.now() - startedAt;
      if (round >= 0) samples[name].push(typeof own === 'number' ? own : ms);
    }
  }
  return Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, median(values)]));
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** `ratioToPeer` and `ratioToBare` are ours divided by theirs: above 1 is good for a speed and bad for a time. */
export function row(what, unit, ours, peer = null, bare = null) {
  const round = (value, digits) => (value === null ? null : Number(value.toFixed(digits)));
  return {
    what,
    ours: round(ours, 1),
    peer: round(peer, 1),
    bare: round(bare, 1),
    ratioToPeer: peer === null ? null : round(ours / peer, 2),
    ratioToBare: bare === null ? null : round(ours / bare, 2),
    unit,
  };
}

/** A table for people; with --json one object on the last line. */
export function print(rows, packages = [], otherVersions = {}) {
  console.table(rows.map(({ unit, ...cells }) => ({ ...cells, unit })));
  if (!process.argv.includes('--json')) return;
  const version = (name) =>
    JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
  const versions = {
    node: process.version,
    ...Object.fromEntries(packages.map((name) => [name, version(name)])),
    ...otherVersions,
  };
  console.log(JSON.stringify({ machine: `${cpus()[0].model}, ${cpus().length} cores`, versions, rows }));
}
