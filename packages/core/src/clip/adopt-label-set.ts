/** Label sets that were made elsewhere. Loaded with the first. */
import { invalid } from '../errors.js';
import type { LabelSet } from './label-set.js';
import type { ClipModel } from './model.js';

/** Checks that a label set belongs to this model: embeddings of another one would compare as noise. */
export async function adoptLabelSet(model: ClipModel, labelSet: LabelSet, needsNeutral: boolean): Promise<LabelSet> {
  const { dim, visionSha256, neutral, model: madeWith } = labelSet.parts;
  const ours = await model.graphSha256('vision');
  const known = Object.values(model.manifest.graphs.vision.files).map(({ sha256 }) => sha256);
  const differs = visionSha256 !== null && ours !== null && ours !== visionSha256 && !known.includes(visionSha256);
  if (dim !== model.manifest.dim || differs) {
    throw invalid(
      `This label set was made with '${madeWith}' (${dim} dimensions), which is not the model '${model.id}': embed the labels again.`,
    );
  }
  if (needsNeutral && neutral === null) {
    throw invalid(
      "This label set has no null class: make it with a classifier that has unknown: true or scores: 'sigmoid'.",
    );
  }
  return labelSet;
}
