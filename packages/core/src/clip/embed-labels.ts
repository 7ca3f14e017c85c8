/** From labels to the embeddings that a classifier compares with. */
import type { OnProgress } from '../model/progress.js';
import { CLIP_TOKENIZER_VERSION } from '../text/clip-tokenizer-version.js';
import { LabelSet } from './label-set.js';
import type { ClipModel } from './model.js';
import { fillTemplates, NEUTRAL_PROMPTS, PromptEmbeddings, type Templates, templateList } from './prompts.js';
import type { ScoreFunction } from './score.js';

export interface LabelOptions {
  /** Default `'photo'`. */
  templates?: Templates;
  /** Default: the model's own, `'softmax'` for MobileCLIP. */
  scores?: ScoreFunction;
  /** Adds a null class from neutral prompts: a picture that fits no label comes back as `label: null`. Default false. */
  unknown?: boolean;
}

/** Embeds labels, fetching the two towers together when both are needed. */
export async function embedLabels(
  model: ClipModel,
  labels: readonly string[],
  needsNeutral: boolean,
  options: LabelOptions & { signal?: AbortSignal; onProgress?: OnProgress },
): Promise<LabelSet> {
  const templates = await templateList(options.templates ?? 'photo');
  const groups = labels.map((label) => fillTemplates(templates, label));
  if (needsNeutral) groups.push([...NEUTRAL_PROMPTS]);
  const prompts = await PromptEmbeddings.lookUp(model, groups);
  await model.load(prompts.complete ? ['vision'] : ['vision', 'text'], options);
  const rows = await prompts.resolve(options);
  const { dim, logitScale, logitBias } = model.manifest;
  return new LabelSet({
    model: model.id,
    visionSha256: await model.graphSha256('vision'),
    textSha256: await model.graphSha256('text'),
    tokenizer: CLIP_TOKENIZER_VERSION,
    templates,
    logitScale,
    logitBias,
    dim,
    labels: [...labels],
    embeddings: rows.slice(0, labels.length * dim),
    neutral: needsNeutral ? rows.slice(labels.length * dim) : null,
  });
}
