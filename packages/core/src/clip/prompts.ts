/**
 * Prompts of a label and their embedding: each filled template encoded, L2-normalised, averaged, normalised again
 * (open_clip's zero_shot_classifier). Known prompts come from the platform's cache, so that a label is computed once
 * per text tower and machine.
 */
import { invalid, shown } from '../errors.js';
import type { OnProgress } from '../model/progress.js';
import { CLIP_TOKENIZER_VERSION } from '../text/clip-tokenizer-version.js';
import type { ClipModel } from './model.js';

/** `'photo'`: "a photo of a {}."; `'openai-80'`: the ImageNet ensemble; `'none'`: the label itself; or your own. */
export type Templates = 'photo' | 'openai-80' | 'none' | readonly string[];

/** Texts that fit any picture equally well: together they are the null class. */
export const NEUTRAL_PROMPTS: readonly string[] = [
  'a photo',
  'a picture',
  'an image of something',
  'a picture of an object',
  'a photo of a thing',
];

/** @throws {MclipError} `INVALID_ARGUMENT` for an unknown name, an empty list, or a template without {}. */
export async function templateList(templates: Templates): Promise<readonly string[]> {
  if (templates === 'photo') return ['a photo of a {}.'];
  if (templates === 'none') return ['{}'];
  if (templates === 'openai-80') {
    const published = await import('./templates.js');
    return published.OPENAI_TEMPLATES;
  }
  if (!Array.isArray(templates) || templates.length === 0) {
    throw invalid(
      `templates must be 'photo', 'openai-80', 'none' or a non-empty list of strings, got ${shown(templates)}.`,
    );
  }
  for (const template of templates) {
    if (typeof template !== 'string' || !template.includes('{}')) {
      throw invalid(`Template ${shown(template)} has no {} to put the label in.`);
    }
  }
  return templates;
}

export const fillTemplates = (templates: readonly string[], label: string): string[] =>
  templates.map((template) => template.replaceAll('{}', () => label));

export interface PromptOptions {
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

/** Prompt groups with the embeddings that are known already; `null` where the text tower is needed. */
export class PromptEmbeddings {
  readonly #model: ClipModel;
  readonly #groups: readonly string[][];
  /** Empty when the text file has no known hash: then nothing is kept. */
  readonly #keys: string[];
  readonly #known: (Float32Array | null)[];

  private constructor(model: ClipModel, groups: string[][], keys: string[], known: (Float32Array | null)[]) {
    this.#model = model;
    this.#groups = groups;
    this.#keys = keys;
    this.#known = known;
  }

  static async lookUp(model: ClipModel, groups: string[][]): Promise<PromptEmbeddings> {
    const sha256 = await model.graphSha256('text');
    const { dim } = model.manifest;
    const keys = sha256 === null ? [] : groups.map((group) => JSON.stringify([sha256, CLIP_TOKENIZER_VERSION, group]));
    const stored = keys.length === 0 ? [] : await model.platform.readEmbeddings(keys, model.settings);
    const known = groups.map((_, index) => {
      const embedding = stored[index] ?? null;
      return embedding !== null && isUnit(embedding, dim) ? embedding : null;
    });
    const prompts = new PromptEmbeddings(model, groups, keys, known);
    if (!prompts.complete) embedding().catch(() => {}); // comes while graphs are loaded; asked for again in `resolve`
    return prompts;
  }

  get complete(): boolean {
    return !this.#known.includes(null);
  }

  /** Flat [groups, dim]: computes what is missing, and keeps it. */
  async resolve(options: PromptOptions): Promise<Float32Array> {
    const { dim } = this.#model.manifest;
    if (!this.complete) {
      const missing = this.#known.flatMap((embedding, index) => (embedding === null ? [index] : []));
      const tower = await embedding();
      const groups = missing.map((index) => this.#groups[index]!);
      const keys = missing.flatMap((index) => this.#keys[index] ?? []);
      const embeddings = await tower.embedPrompts(this.#model, groups, keys, options);
      for (const [at, index] of missing.entries()) this.#known[index] = embeddings[at]!;
    }
    const embeddings = new Float32Array(this.#groups.length * dim);
    this.#known.forEach((embedding, index) => embeddings.set(embedding!, index * dim));
    return embeddings;
  }
}

const embedding = () => import('./embed-prompts.js');

/** A stored embedding is used only if it can be one: files may be damaged. */
function isUnit(embedding: Float32Array, dim: number): boolean {
  if (embedding.length !== dim) return false;
  const squares = embedding.reduce((sum, value) => sum + value * value, 0);
  return Math.abs(squares - 1) < 1e-3;
}
