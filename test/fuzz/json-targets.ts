/** Damaged manifests, tokenizer files, label sets and listings of a hub. */
import { readFileSync } from 'node:fs';
import { clipFamily } from '../../packages/core/src/clip/clip-family.js';
import { LabelSet } from '../../packages/core/src/clip/label-set.js';
import { resolveSettings } from '../../packages/core/src/configure.js';
import { locateModel } from '../../packages/core/src/model/locate.js';
import { parseManifest } from '../../packages/core/src/model/manifest.js';
import type { Platform } from '../../packages/core/src/platform.js';
import { ClipTokenizer } from '../../packages/core/src/text/clip-tokenizer.js';
import { Qwen2Tokenizer } from '../../packages/core/src/text/qwen2-tokenizer.js';
import { parseVlmManifest } from '../../packages/core/src/vlm/vlm-manifest.js';
import { validManifest } from '../../packages/core/test/model/valid-manifest.js';
import { clipTokenizerJson } from '../../packages/core/test/text/tokenizer-json.js';
import { damagedJson } from './mutations.js';
import type { Target } from './outcome.js';

const TEXT = "Hello, I'm a 12 <|im_end|>\n  naïve 🐈 d\u0301";
const tinyVlm = new URL('../../packages/node/test/fixtures/tiny-vlm/', import.meta.url);
const jsonOf = (name: string) => JSON.parse(readFileSync(new URL(name, tinyVlm), 'utf8'));

const labelSet = {
  version: 1,
  model: 'mobileclip2-s0',
  visionSha256: 'a'.repeat(64),
  textSha256: null,
  tokenizer: 'clip-1',
  templates: ['a photo of a {}.'],
  logitScale: 100,
  logitBias: null,
  scores: 'softmax',
  dim: 3,
  labels: ['cat', 'dog'],
  embeddings: Buffer.from(Float32Array.of(1, 0, 0, 0, 1, 0).buffer).toString('base64'),
};

const listing = [
  { type: 'directory', path: 'onnx', size: 0 },
  { type: 'file', path: 'onnx/s0/vision_model.onnx', size: 130, lfs: { oid: 'e'.repeat(64), size: 45_543_630 } },
  { type: 'file', path: 'onnx/config.json', size: 17, oid: 'f'.repeat(40) },
];

export const jsonTargets: Target<unknown>[] = [
  {
    name: 'manifests of CLIP models',
    share: 120,
    inputs: damagedJson(validManifest()),
    use: (json) => checkFiles(parseManifest(json).graphs),
  },
  {
    name: 'manifests of captioners',
    share: 120,
    inputs: damagedJson(jsonOf('mclip.json')),
    use: (json) => checkFiles(parseVlmManifest(json).graphs),
  },
  {
    name: "tokenizer.json of Qwen2's kind",
    share: 90,
    inputs: damagedJson(jsonOf('tokenizer.json')),
    use(json) {
      const tokenizer = Qwen2Tokenizer.fromJSON(json);
      const ids = tokenizer.encode(TEXT);
      if (!ids.every((id) => Number.isInteger(id) && id >= 0)) throw new Error(`ids ${ids}`);
      if (typeof tokenizer.decode(ids) !== 'string') throw new Error('no text');
    },
  },
  {
    name: "tokenizer.json of CLIP's kind",
    share: 10, // each has 49,408 tokens
    inputs: damagedJson(clipTokenizerJson()),
    use(json) {
      const ids = ClipTokenizer.fromJSON(json).encode(TEXT);
      if (ids.length !== 77 || !ids.every((id) => Number.isInteger(id) && id >= 0)) throw new Error(`ids ${ids}`);
    },
  },
  {
    name: 'label sets',
    share: 60,
    inputs: damagedJson(labelSet),
    use(json) {
      const set = LabelSet.fromJSON(json as Parameters<typeof LabelSet.fromJSON>[0]);
      const again = LabelSet.fromJSON(JSON.stringify(set));
      if (again.labels.length !== set.labels.length) throw new Error('not the same again');
    },
  },
  {
    name: "a hub's listing",
    share: 50,
    inputs: damagedJson(listing),
    async use(json) {
      const platform = { localModelUrl: () => null, fetchText: async () => JSON.stringify(json) };
      const options = { settings: resolveSettings({}) };
      const { locate, manifest } = await locateModel(
        platform as unknown as Platform,
        'mobileclip2-s0',
        clipFamily,
        options,
      );
      const { bytes, sha256 } = await locate(manifest.graphs.vision.files.fp32!);
      if (bytes !== null && !(Number.isSafeInteger(bytes) && bytes >= 0)) throw new Error(`${bytes} bytes`);
      if (sha256 !== null && !/^[0-9a-f]{64}$/.test(sha256)) throw new Error(`SHA-256 ${sha256}`);
    },
  },
];

type Graphs = Record<string, { files: Record<string, { file: string } | undefined> } | null>;

/** No name leads out of the model's folder. */
function checkFiles(graphs: unknown): void {
  for (const graph of Object.values(graphs as Graphs)) {
    for (const entry of Object.values(graph?.files ?? {})) {
      if (typeof entry?.file !== 'string' || /(^|[/\\])\.\.([/\\]|$)|^[/\\]|:/.test(entry.file))
        throw new Error(`file ${entry?.file}`);
    }
  }
}
