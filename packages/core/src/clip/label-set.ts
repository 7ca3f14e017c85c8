/**
 * Labels with their embeddings, as plain data: computed once, shipped as JSON, used without a text tower.
 */
import { decodeFloats, encodeFloats } from '../base64.js';
import { MclipError, shown } from '../errors.js';

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
    const value = (typeof json === 'string' ? parse(json) : json) as Partial<LabelSetJson> | null;
    if (typeof value !== 'object' || value === null) throw invalid('it', 'an object', value);
    if (value.version !== 1) throw invalid('version', '1', value.version);
    const { model, tokenizer, templates, logitScale, dim, labels, embeddings } = value;
    if (typeof model !== 'string' || model === '') throw invalid('model', 'a string', model);
    if (typeof tokenizer !== 'string') throw invalid('tokenizer', 'a string', tokenizer);
    if (!isStrings(templates)) throw invalid('templates', 'a list of strings', templates);
    if (!Number.isFinite(logitScale) || logitScale! <= 0) throw invalid('logitScale', 'a positive number', logitScale);
    if (!Number.isInteger(dim) || dim! <= 0) throw invalid('dim', 'a positive integer', dim);
    const { visionSha256 = null, textSha256 = null, logitBias = null } = value;
    if (!isHash(visionSha256)) throw invalid('visionSha256', 'a SHA-256 or null', visionSha256);
    if (!isHash(textSha256)) throw invalid('textSha256', 'a SHA-256 or null', textSha256);
    if (logitBias !== null && !Number.isFinite(logitBias)) throw invalid('logitBias', 'a number or null', logitBias);
    checkLabels(labels);
    return new LabelSet({
      model,
      tokenizer,
      templates,
      logitScale: logitScale!,
      dim: dim!,
      labels,
      visionSha256,
      textSha256,
      logitBias,
      embeddings: readVectors('embeddings', embeddings, labels.length * dim!),
      neutral: value.neutral == null ? null : readVectors('neutral', value.neutral, dim!),
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
    throw new MclipError('INVALID_ARGUMENT', `labels must be a non-empty list of strings, got ${shown(labels)}.`);
  }
  const firstIndex = new Map<string, number>();
  for (const [index, label] of labels.entries()) {
    if (typeof label !== 'string' || label.trim() === '') {
      throw new MclipError('INVALID_ARGUMENT', `labels[${index}] must be a non-empty string, got ${shown(label)}.`);
    }
    if (firstIndex.has(label)) {
      throw new MclipError(
        'INVALID_ARGUMENT',
        `labels[${index}] repeats labels[${firstIndex.get(label)}], ${shown(label)}: every label must be different.`,
      );
    }
    firstIndex.set(label, index);
  }
}

function readVectors(name: string, base64: unknown, length: number): Float32Array {
  const floats = typeof base64 === 'string' ? decodeFloats(base64) : null;
  if (floats === null || floats.length !== length || !floats.every(Number.isFinite)) {
    throw invalid(name, `base64 of ${length} finite fp32 values`, base64);
  }
  return floats;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MclipError('INVALID_ARGUMENT', `The label set is not JSON: ${shown(text)}.`, { cause });
  }
}

const isHash = (value: unknown) => value === null || (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && Array.from(value).every((item) => typeof item === 'string');

const invalid = (field: string, expected: string, value: unknown) =>
  new MclipError('INVALID_ARGUMENT', `Not a label set: ${field} must be ${expected}, got ${shown(value)}.`);
