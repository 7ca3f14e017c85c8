/**
 * Damaged inputs of every kind: a valid result or an `MclipError`, never a crash, a hang (2 s) or growing memory.
 * `npm run fuzz` draws 20,000 inputs from a new seed, which it prints (MCLIP_FUZZ_INPUTS, MCLIP_FUZZ_SEED).
 */
import { afterAll, expect, test } from 'vitest';
import { jsonTargets } from './json-targets.js';
import { onnxTargets } from './onnx-targets.js';
import { fuzz, type Outcome, type Target } from './outcome.js';
import { pictureTargets } from './picture-targets.js';

const count = Number(process.env.MCLIP_FUZZ_INPUTS ?? 2000);
const asked = process.env.MCLIP_FUZZ_SEED ?? '20261127';
const seed = asked === 'new' ? Math.floor(Math.random() * 2 ** 31) : Number(asked);
const report: Record<string, Outcome> = {};

const targets = [...(await pictureTargets()), ...jsonTargets, ...onnxTargets] as Target<unknown>[];
const shares = targets.reduce((sum, { share }) => sum + share, 0);

console.log(`fuzz: ${count} inputs, seed ${seed}`);

test.each(targets.map((target) => [target.name, target] as const))(
  '%s',
  async (name, target) => {
    const outcome = await fuzz(target, Math.ceil((count * target.share) / shares), seed);
    report[name] = outcome;
    expect(outcome.inputs).toBeGreaterThan(0);
    expect(Object.values(outcome.errors).reduce((sum, n) => sum + n, outcome.valid)).toBe(outcome.inputs);
  },
  1_800_000,
);

afterAll(() => {
  if (process.env.MCLIP_FUZZ_INPUTS === undefined) return;
  for (const [name, { inputs, valid, errors, slowestMs, growth, residentGrowth }] of Object.entries(report)) {
    const codes =
      Object.entries(errors)
        .map(([code, n]) => `${code} ${n}`)
        .join(', ') || 'no errors';
    const memory = [growth, residentGrowth].map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(' and ');
    console.log(
      `${name}: ${inputs} inputs, ${valid} valid, ${codes}; slowest ${slowestMs.toFixed(0)} ms, growth ${memory} MB`,
    );
  }
});
