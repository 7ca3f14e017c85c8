import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Sampler, type SamplingOptions } from '../../src/vlm/sampler.js';

interface Golden {
  cases: { logits: number[]; seen: number[]; options: Partial<SamplingOptions>; allowed: Record<string, number> }[];
}

/** Made by tools/goldens/sampling.py from transformers' own warpers. */
const { cases }: Golden = JSON.parse(readFileSync(new URL('../fixtures/sampling.json', import.meta.url), 'utf8'));

const DEFAULTS: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };
const DRAWS = 4000;

function draws(logits: number[], seen: number[], options: Partial<SamplingOptions>, vocabSize = logits.length) {
  const sampler = new Sampler({ ...DEFAULTS, ...options }, vocabSize);
  const counts = new Map<number, number>();
  for (let i = 0; i < DRAWS; i++) {
    const id = sampler.next(Float32Array.from(logits), seen);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

test.each(cases.map((one, index) => [index, JSON.stringify(one.options), one] as const))(
  'case %i, %s: what is drawn, and how often, is as in the reference',
  (_index, _options, { logits, seen, options, allowed }) => {
    const counts = draws(logits, seen, options);
    for (const id of counts.keys()) expect(Object.keys(allowed)).toContain(String(id));
    for (const [id, probability] of Object.entries(allowed)) {
      const expected = probability * DRAWS;
      // five standard deviations of a fixed seed: a wrong token set or weight is far outside
      expect(Math.abs((counts.get(Number(id)) ?? 0) - expected)).toBeLessThanOrEqual(5 * Math.sqrt(expected) + 1);
    }
  },
);

test('temperature 0 takes the likeliest token, whatever the other options', () => {
  for (const { logits, seen } of cases) {
    const best = logits.indexOf(Math.max(...logits));
    const sampler = new Sampler({ ...DEFAULTS, temperature: 0, topK: 3, topP: 0.1 }, logits.length);
    expect(sampler.next(Float32Array.from(logits), seen)).toBe(best);
  }
});

test('a repetition penalty changes what is likeliest', () => {
  const sampler = new Sampler({ ...DEFAULTS, temperature: 0, repetitionPenalty: 2 }, 3);
  expect(sampler.next(Float32Array.of(1, 3, 2), [1])).toBe(2);
  expect(sampler.next(Float32Array.of(-1, -3, -1.5), [0, 0])).toBe(2); // -2, -3, -1.5: punished once
});

test('logits beyond the vocabulary are never drawn', () => {
  const logits = [1, 2, 3, 100, 90];
  expect([...draws(logits, [], {}, 3).keys()].every((id) => id < 3)).toBe(true);
  expect(new Sampler({ ...DEFAULTS, temperature: 0 }, 3).next(Float32Array.from(logits), [])).toBe(2);
});

test('tokens that reach topP exactly are enough, as in the reference', () => {
  expect([...draws([0, 0, 0, 0], [], { topP: 0.5 }).keys()].sort()).toEqual([0, 1]); // a half of four equal ones is two
});

test('the same seed draws the same, another seed does not', () => {
  const logits = Array.from({ length: 500 }, (_, i) => Math.sin(i));
  const run = (seed: number) => {
    const sampler = new Sampler({ ...DEFAULTS, seed }, 500);
    return Array.from({ length: 20 }, () => sampler.next(Float32Array.from(logits), []));
  };
  expect(run(5)).toEqual(run(5));
  expect(run(5)).not.toEqual(run(6));
});

test('a nucleus over a wide, flat vocabulary is exact too', () => {
  // all weight far below the first look: the top token has a hundredth of it
  const logits = Array.from({ length: 20_000 }, (_, i) => (i === 0 ? 20 : 0.001 * (i % 7)));
  const sampler = new Sampler({ ...DEFAULTS, topP: 0.999999, temperature: 0.5 }, logits.length);
  expect(sampler.next(Float32Array.from(logits), [])).toBe(0);
  const flat = new Sampler({ ...DEFAULTS, topP: 0.5 }, 20_000);
  const ids = Array.from({ length: 60 }, () =>
    flat.next(Float32Array.from(logits.map((_, i) => (i < 10_000 ? 1 : 0.5))), []),
  );
  expect(Math.max(...ids)).toBeLessThan(10_000);
  expect(new Set(ids).size).toBeGreaterThan(50);
});
