/**
 * Labels with their embeddings, as plain data: computed once, shipped as JSON, used without a text tower.
 */
import { decodeFloats, encodeFloats } from '../base64.js';
import { invalid, shown } from '../errors.js';
import { type JsonOrigin, JsonReader } from '../model/json-reader.js';

const NOT_A_SET: JsonOrigin = { code: 'INVALID_ARGUMENT', from: 'Not a label set', whole: 'it' };

export interface LabelSetJson {
  version: 1;
  /** The `model` that the labels were embedded with. */
  model: string;
  visionSha256: string | null;
  textSha256: string | null;
  tokenizer: string;
  templates: readonly string[];
  logitScale: number;
  logitBias?: number | null;
  dim: number;
  labels: readonly string[];
  /** Flat [labels, dim] unit vectors, little-endian fp32, base64. */
  embeddings: string;
  /** The null class, [dim], when the classifier had one (`unknown: true` or sigmoid scores). */
  neutral?: string | null;
}

export interface LabelSetParts extends Omit<LabelSetJson, 'version' | 'embeddings' | 'neutral' | 'logitBias'> {
  logitBias: number | null;
  embeddings: Float32Array;
  neutral: Float32Array | null;
}

export class LabelSet {
  readonly parts: Readonly<LabelSetParts>;

  /** @internal made by `classifier.labelSet()` and `LabelSet.fromJSON` */
  constructor(parts: LabelSetParts) {
    this.parts = parts;
  }

  get labels(): readonly string[] {
    return this.parts.labels;
  }

  /**
   * Reads what `toJSON` wrote, as an object or as text.
   *
   * @throws {MclipError} `INVALID_ARGUMENT` naming the field that is missing, of the wrong type or of the wrong size.
   */
  static fromJSON(json: LabelSetJson | string): LabelSet {
    const read = new JsonReader(NOT_A_SET, typeof json === 'string' ? parse(json) : json);
    read.field('version').oneOf([1]);
    const dim = read.field('dim').positiveInteger();
    const labels = read.field('labels').value;
    checkLabels(labels);
    return new LabelSet({
      model: read.field('model').string(),
      visionSha256: read.field('visionSha256').or(null, (hash) => hash.sha256()),
      textSha256: read.field('textSha256').or(null, (hash) => hash.sha256()),
      tokenizer: read.field('tokenizer').string(),
      templates: read.field('templates').list((template) => template.string()),
      logitScale: read.field('logitScale').number((scale) => scale > 0),
      logitBias: read.field('logitBias').or(null, (bias) => bias.number()),
      dim,
      labels,
      embeddings: vectors(read.field('embeddings'), labels.length * dim),
      neutral: read.field('neutral').or(null, (neutral) => vectors(neutral, dim)),
    });
  }

  toJSON(): LabelSetJson {
    const { embeddings, neutral, ...rest } = this.parts;
    return {
      version: 1,
      ...rest,
      embeddings: encodeFloats(embeddings),
      neutral: neutral === null ? null : encodeFloats(neutral),
    };
  }
}

/** @throws {MclipError} `INVALID_ARGUMENT` for no labels, or one that is empty, repeated or not a string. */
export function checkLabels(labels: unknown): asserts labels is readonly string[] {
  if (!Array.isArray(labels) || labels.length === 0) {
    throw invalid(`labels must be a LabelSet or a non-empty list of strings, got ${shown(labels)}.`);
  }
  const firstIndex = new Map<string, number>();
  for (const [index, label] of labels.entries()) {
    if (typeof label !== 'string' || label.trim() === '') {
      throw invalid(`labels[${index}] must be a non-empty string, got ${shown(label)}.`);
    }
    if (firstIndex.has(label)) {
      throw invalid(
        `labels[${index}] repeats labels[${firstIndex.get(label)}], ${shown(label)}: every label must be different.`,
      );
    }
    firstIndex.set(label, index);
  }
}

function vectors(at: JsonReader, length: number): Float32Array {
  const floats = typeof at.value === 'string' ? decodeFloats(at.value) : null;
  return floats?.length === length && floats.every(Number.isFinite)
    ? floats
    : at.fail(`base64 of ${length} finite fp32 values`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`The label set is not JSON: ${shown(text)}.`, { cause });
  }
}
