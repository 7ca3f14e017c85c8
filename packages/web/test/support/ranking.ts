/** What Node says of the pictures, and how far another platform may be from it. */
import { createClassifier } from '@mclip/node';
import { expect } from 'vitest';
import { IMAGE_FOLDER, NANO_FOLDER } from './paths.js';

/** As on the test page. */
const LABELS = ['cat', 'dog', 'pizza', 'rocket', 'bicycle', 'umbrella', 'rose', 'train', 'guitar', 'owl'];

export interface Ranked {
  label: string | null;
  score: number;
}

/** Nano's answers for pictures named as their files. */
export async function rankedByNode(pictures: string[]): Promise<Ranked[][]> {
  await using classifier = await createClassifier(LABELS, { model: NANO_FOLDER });
  return await classifier.classifyBatch(pictures.map((name) => `${IMAGE_FOLDER}/${name}.png`));
}

/** The same labels in the same order, scores within 1e-3; returns the largest difference. */
export function expectSameRanking(actual: Ranked[][], expected: Ranked[][]): number {
  let worst = 0;
  expect(actual.length).toBeGreaterThan(1);
  actual.forEach((ranked, picture) => {
    expect(ranked.map(({ label }) => label)).toEqual(expected[picture]!.map(({ label }) => label));
    ranked.forEach(({ score }, place) => {
      worst = Math.max(worst, Math.abs(score - expected[picture]![place]!.score));
    });
  });
  expect(worst).toBeLessThan(1e-3);
  // a model that gives every picture the same scores would agree with anything
  expect(new Set(actual.map((ranked) => ranked[0]!.score)).size).toBe(actual.length);
  return worst;
}
