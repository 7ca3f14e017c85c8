/**
 * The manifest (`mclip.json`) of a CLIP model: everything the SDK must know that is not in the graphs. Numbers come
 * from here, never from code. `parseManifest` trusts nothing: manifests are downloaded.
 */
import { JsonReader } from './json-reader.js';

export const DTYPES = ['fp32', 'fp16', 'w8', 'q8', 'q4', 'q4f16'] as const;
export type Dtype = (typeof DTYPES)[number];
export type GraphName = 'vision' | 'text';

export interface ManifestFile {
  /** Path below the model's folder. */
  file: string;
  /** Null in presets for repositories that publish none: taken from the hub's listing on first use. */
  bytes: number | null;
  sha256: string | null;
  /** External weights of a graph, which onnxruntime looks for beside it. */
  data?: ManifestFile;
}

export interface ManifestGraph {
  /** Names of the graph's tensors; null: the session's first. */
  input: string | null;
  output: string | null;
  files: Partial<Record<Dtype, ManifestFile>>;
}

export interface ImageConfig {
  /** Side of the square input in pixels. */
  size: number;
  /** `crop`: shortest edge, then centre; `pad`: whole picture on a square canvas; `squash`: aspect ignored. */
  fit: 'crop' | 'pad' | 'squash';
  interpolation: 'bilinear' | 'bicubic';
  mean: [number, number, number];
  std: [number, number, number];
}

/** A fixed input and its expected L2-normalised embedding (little-endian fp32, base64): the device self-check. */
export interface Canary {
  /** Number of the generated picture; 1 is the only one so far. */
  pattern: number;
  vision: string;
  text: { inputText: string; embedding: string } | null;
}

export interface Manifest {
  name: string;
  task: 'clip';
  /** Length of an embedding. */
  dim: number;
  licence: { id: string; notice: string };
  image: ImageConfig;
  text: { tokenizer: 'clip' | { file: string; sha256: string | null }; contextLength: number; padId: number };
  /** Already exponentiated, about 100. */
  logitScale: number;
  /** Only for models trained with a sigmoid loss. */
  logitBias: number | null;
  scores: 'softmax' | 'sigmoid';
  graphs: Record<GraphName, ManifestGraph>;
  canary: Canary | null;
}

// far above any model, and small enough that a damaged number is an error here and not a failed allocation later
const MAX_DIM = 65_536;
const MAX_SIZE = 4096;

/**
 * Checks a manifest and fills its defaults.
 *
 * @param json the parsed JSON of an `mclip.json`
 * @param origin named in errors: where the manifest came from
 * @throws {MclipError} `MODEL_CORRUPT`, naming the field, its value and what was expected.
 */
export function parseManifest(json: unknown, origin = 'mclip.json'): Manifest {
  const read = manifestReader(json, origin);
  const text = read.field('text');
  const graphs = read.field('graphs');
  return {
    name: read.field('name').string(),
    task: read.field('task').oneOf(['clip']),
    dim: read.field('dim').positiveInteger(MAX_DIM),
    licence: parseLicence(read.field('licence')),
    image: parseImage(read.field('image'), 'crop'),
    text: {
      tokenizer: text.field('tokenizer').or('clip' as const, parseTokenizer),
      contextLength: text.field('contextLength').or(77, (at) => at.oneOf([77])),
      padId: text.field('padId').or(0, (at) => at.oneOf([0])),
    },
    logitScale: read.field('logitScale').number((value) => value > 0),
    logitBias: read.field('logitBias').or(null, (at) => at.number()),
    scores: read.field('scores').or('softmax', (at) => at.oneOf(['softmax', 'sigmoid'])),
    graphs: { vision: parseGraph(graphs.field('vision')), text: parseGraph(graphs.field('text')) },
    canary: read.field('canary').or(null, parseCanary),
  };
}

/** At the top of a manifest whose version this package can read. */
export function manifestReader(json: unknown, origin: string): JsonReader {
  const read = new JsonReader({ code: 'MODEL_CORRUPT', from: origin, whole: 'The manifest' }, json);
  if (read.field('mclip').value !== 1) {
    read.field('mclip').fail('1 (a newer manifest needs a newer @mclip package)');
  }
  return read;
}

export function parseImage(image: JsonReader, defaultFit: ImageConfig['fit']): ImageConfig {
  return {
    size: image.field('size').positiveInteger(MAX_SIZE),
    fit: image.field('fit').or(defaultFit, (at) => at.oneOf(['crop', 'pad', 'squash'])),
    interpolation: image.field('interpolation').oneOf(['bilinear', 'bicubic']),
    mean: image.field('mean').numbers(3) as [number, number, number],
    std: image.field('std').numbers(3, (value) => value > 0) as [number, number, number],
  };
}

function parseTokenizer(at: JsonReader): Manifest['text']['tokenizer'] {
  if (at.value === 'clip') return 'clip';
  return { file: at.field('file').relativePath(), sha256: at.field('sha256').or(null, (hash) => hash.sha256()) };
}

export function parseGraph(at: JsonReader): ManifestGraph {
  return {
    input: at.field('input').or(null, (name) => name.string()),
    output: at.field('output').or(null, (name) => name.string()),
    files: parseFiles(at.field('files'), DTYPES),
  };
}

/** One file per dtype, at least one. */
export function parseFiles<D extends Dtype>(at: JsonReader, dtypes: readonly D[]): Partial<Record<D, ManifestFile>> {
  const files: Partial<Record<D, ManifestFile>> = {};
  for (const dtype of dtypes) {
    const entry = at.field(dtype);
    if (entry.value !== undefined) files[dtype] = parseFile(entry);
  }
  if (Object.keys(files).length === 0) at.fail(`a file for at least one of ${dtypes.join(', ')}`);
  return files;
}

function parseFile(at: JsonReader): ManifestFile {
  const data = at.field('data').or(null, parseFile);
  return {
    file: at.field('file').relativePath(),
    bytes: at.field('bytes').or(null, (bytes) => bytes.positiveInteger()),
    sha256: at.field('sha256').or(null, (hash) => hash.sha256()),
    ...(data !== null && { data }),
  };
}

export function parseLicence(at: JsonReader): Manifest['licence'] {
  return { id: at.field('id').string(), notice: at.field('notice').or('', (notice) => notice.string()) };
}

function parseCanary(at: JsonReader): Canary {
  return {
    pattern: at.field('pattern').positiveInteger(),
    vision: at.field('vision').string(),
    text: at.field('text').or(null, (text) => ({
      inputText: text.field('inputText').string(),
      embedding: text.field('embedding').string(),
    })),
  };
}
