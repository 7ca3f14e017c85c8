/** From embeddings to ranked labels: plain functions on flat arrays. */
import { invalid } from '../errors.js';

/**
 * Cosine of the angle between two vectors, -1 to 1. They need not be normalised.
 *
 * @throws {MclipError} `INVALID_ARGUMENT` for different dimensions or a zero or non-finite vector.
 */
export function similarity(a: Float32Array, b: Float32Array): number {
  if (!a?.length || a.length !== b?.length) {
    throw invalid(`similarity needs two embeddings of one model, got ${a?.length} and ${b?.length} dimensions.`);
  }
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let index = 0; index < a.length; index++) {
    dot += a[index]! * b[index]!;
    aa += a[index]! * a[index]!;
    bb += b[index]! * b[index]!;
  }
  const cosine = dot / Math.sqrt(aa * bb);
  if (!Number.isFinite(cosine)) {
    throw invalid('similarity got a zero vector or one with NaN or infinite values.');
  }
  return Math.max(-1, Math.min(1, cosine));
}

/** Similarities of one unit vector to the rows of `matrix`, a flat [rows, dim] array of unit vectors. */
export function rowSimilarities(vector: Float32Array, matrix: Float32Array): Float64Array {
  const dim = vector.length;
  const rows = matrix.length / dim;
  const similarities = new Float64Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    let dot = 0;
    for (let index = 0; index < dim; index++, at++) dot += vector[index]! * matrix[at]!;
    similarities[row] = dot;
  }
  return similarities;
}

/** Exponentials that sum to 1; the largest logit is subtracted first, so that nothing overflows. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const probabilities = Float64Array.from(logits);
  let largest = -Infinity;
  for (const logit of probabilities) largest = Math.max(largest, logit);
  let sum = 0;
  for (let index = 0; index < probabilities.length; index++) {
    const value = Math.exp(probabilities[index]! - largest);
    probabilities[index] = value;
    sum += value;
  }
  for (let index = 0; index < probabilities.length; index++) probabilities[index]! /= sum;
  return probabilities;
}

export const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));

export type ScoreFunction = 'softmax' | 'sigmoid' | 'similarity';

export interface Scale {
  logitScale: number;
  /** Of models trained with a sigmoid loss; null for the others. */
  logitBias: number | null;
}

/**
 * Scores of labels from their similarities.
 *
 * - `softmax`: over the labels, and over the null class too where there is one; they sum to 1.
 * - `sigmoid`: each label on its own. With a trained bias, sigmoid(scale x similarity + bias). Without one a raw
 *   cosine means nothing alone, so the label is weighed against the neutral prompts:
 *   sigmoid(scale x (similarity - neutral)), which is a softmax over "this label" and "just a picture".
 * - `similarity`: the cosine itself.
 *
 * @param neutral similarity to the null class, null when there is none
 * @returns one score per label; the null class' own score is last when `neutral` is given
 */
export function scoreSimilarities(
  similarities: Float64Array,
  neutral: number | null,
  scores: ScoreFunction,
  { logitScale, logitBias }: Scale,
): Float64Array {
  const all = neutral === null ? similarities : Float64Array.from([...similarities, neutral]);
  if (scores === 'similarity') return all;
  if (scores === 'softmax') return softmax(all.map((value) => value * logitScale));
  if (logitBias !== null) return all.map((value) => sigmoid(value * logitScale + logitBias));
  return all.map((value) => sigmoid((value - (neutral ?? 0)) * logitScale));
}

/** Indices of the `count` largest scores, best first; equal scores keep their order. */
export function rank(scores: ArrayLike<number>, count: number): number[] {
  return Array.from(scores, (_, index) => index)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, count);
}
