/**
 * The manifest (`mclip.json`) of a vision-language model: a vision encoder with its projector, a decoder with a key
 * and value cache, and the token embeddings as raw rows or as a graph.
 */
import type { JsonReader } from '../model/json-reader.js';
import {
  type ImageConfig,
  type Manifest,
  type ManifestFile,
  type ManifestGraph,
  manifestReader,
  parseFiles,
  parseGraph,
  parseImage,
  parseLicence,
} from '../model/manifest.js';

/** How rows of an embedding table are stored; `q8`: one little-endian fp32 scale, then a byte per value. */
export const ROW_DTYPES = ['fp32', 'fp16', 'q8'] as const;
export type RowDtype = (typeof ROW_DTYPES)[number];

export interface VlmManifest {
  name: string;
  task: 'vlm';
  licence: Manifest['licence'];
  image: ImageConfig & {
    /** Sides that the vision graph takes, pixels, smallest first. */
    sizes: readonly number[];
    /** Side of the square that one image token stands for, pixels. */
    patch: number;
  };
  /** A Hugging Face tokenizer.json. */
  tokenizer: { file: string; sha256: string | null };
  prompt: {
    format: 'qwen2';
    /** What the system says unless the caller does. */
    system: string;
    /** The question that `caption` asks. */
    caption: string;
    /** Tokens that end an answer. */
    stop: readonly string[];
  };
  decoder: {
    /** Length of a token embedding. */
    hidden: number;
    layers: number;
    kvHeads: number;
    headDim: number;
    /** Most tokens of a conversation, the image's included. */
    contextLength: number;
    /** Positions of a prompt that the graph gives logits of; `'all'` where it is not known: then it is looked at. */
    logits: 'all' | 'last';
  };
  /** Raw token embeddings, one row after the other without a header. Null: only the `embed` graph has them. */
  embedding: { rows: number; files: Partial<Record<RowDtype, ManifestFile>> } | null;
  graphs: { vision: ManifestGraph; decoder: ManifestGraph; embed: ManifestGraph | null };
  canary: VlmCanary | null;
}

/** A generated picture, a question, and the network's logits for the first token of the answer: the device self-check. */
export interface VlmCanary {
  /** Number of the generated picture; 1 is the only one so far. */
  pattern: 1;
  /** Side of the picture, pixels. */
  size: number;
  question: string;
  /** The likeliest tokens, and their logits. */
  best: readonly number[];
  logits: readonly number[];
}

const MAX_LAYERS = 512;
const MAX_WIDTH = 65_536;
const MAX_ROWS = 4_194_304;

/** @throws {MclipError} `MODEL_CORRUPT`, naming the field, its value and what was expected. */
export function parseVlmManifest(json: unknown, origin = 'mclip.json'): VlmManifest {
  const read = manifestReader(json, origin);
  const task = read.field('task').oneOf(['vlm']); // first: another task's manifest lacks everything
  const tokenizer = read.field('text').field('tokenizer');
  const decoder = read.field('decoder');
  const prompt = read.field('prompt');
  const graphs = read.field('graphs');
  const embedding = read.field('embedding').or(null, (at) => ({
    rows: at.field('rows').positiveInteger(MAX_ROWS),
    files: parseFiles(at.field('files'), ROW_DTYPES),
  }));
  const embed = graphs.field('embed').or(null, parseGraph);
  if (embedding === null && embed === null)
    read.field('embedding').fail('a table of rows, or graphs.embed in its place');
  return {
    name: read.field('name').string(),
    task,
    licence: parseLicence(read.field('licence')),
    image: parseVlmImage(read.field('image')),
    tokenizer: {
      file: tokenizer.field('file').relativePath(),
      sha256: tokenizer.field('sha256').or(null, (at) => at.sha256()),
    },
    prompt: {
      format: prompt.field('format').oneOf(['qwen2']),
      system: prompt.field('system').string(),
      caption: prompt.field('caption').or('Describe the image in one sentence.', (at) => at.string()),
      stop: prompt.field('stop').list((at) => at.string()),
    },
    decoder: {
      hidden: decoder.field('hidden').positiveInteger(MAX_WIDTH),
      layers: decoder.field('layers').positiveInteger(MAX_LAYERS),
      kvHeads: decoder.field('kvHeads').positiveInteger(MAX_WIDTH),
      headDim: decoder.field('headDim').positiveInteger(MAX_WIDTH),
      contextLength: decoder.field('contextLength').positiveInteger(),
      logits: decoder.field('logits').or('all', (at) => at.oneOf(['all', 'last'])),
    },
    embedding,
    graphs: { vision: parseGraph(graphs.field('vision')), decoder: parseGraph(graphs.field('decoder')), embed },
    canary: read.field('canary').or(null, parseCanary),
  };
}

function parseCanary(at: JsonReader): VlmCanary {
  const best = at.field('best').list((id) => id.number((value) => Number.isInteger(value) && value >= 0));
  return {
    pattern: at.field('pattern').oneOf([1]),
    size: at.field('size').positiveInteger(MAX_WIDTH),
    question: at.field('question').string(),
    best,
    logits: at.field('logits').numbers(best.length),
  };
}

function parseVlmImage(at: JsonReader): VlmManifest['image'] {
  const image = parseImage(at, 'pad');
  const patch = at.field('patch').positiveInteger(image.size);
  const isWhole = (size: number) => Number.isInteger(size) && size > 0 && size <= image.size && size % patch === 0;
  const sizes = at.field('sizes').or([image.size], (list) => list.list((size) => size.number(isWhole)));
  if (!sizes.includes(image.size)) at.field('sizes').fail(`a list of multiples of ${patch} that holds ${image.size}`);
  return { ...image, patch, sizes: [...sizes].sort((a, b) => a - b) };
}
