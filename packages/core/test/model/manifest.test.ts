import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MclipError } from '../../src/errors.js';
import { DTYPES, type Manifest, parseManifest } from '../../src/model/manifest.js';
import { thrown } from '../thrown.js';
import { smallestManifest, validManifest } from './valid-manifest.js';

test('a complete manifest is taken over field by field', () => {
  const { mclip: _, ...expected } = validManifest();
  expect(parseManifest(validManifest())).toEqual(expected);
});

test('what is left out has its default', () => {
  expect(parseManifest(smallestManifest())).toEqual({
    name: 'tiny-clip',
    task: 'clip',
    dim: 192,
    licence: { id: 'MIT', notice: '' },
    image: { size: 64, fit: 'crop', interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] },
    text: { tokenizer: 'clip', contextLength: 77, padId: 0 },
    logitScale: 100,
    logitBias: null,
    scores: 'softmax',
    graphs: {
      vision: { input: null, output: null, files: { fp32: { file: 'v.onnx', bytes: null, sha256: null } } },
      text: { input: null, output: null, files: { fp32: { file: 't.onnx', bytes: null, sha256: null } } },
    },
    canary: null,
  });
});

test('null means the default, as leaving out does', () => {
  const json = smallestManifest();
  Object.assign(json, { logitBias: null, scores: null, canary: null });
  Object.assign(json.image, { fit: null });
  Object.assign(json.text, { tokenizer: null, contextLength: null, padId: null });
  expect(parseManifest(json)).toEqual(parseManifest(smallestManifest()));
});

test('fields that this version does not know are left out of the result', () => {
  const json = { ...validManifest(), novelty: 1 };
  Object.assign(json.graphs.vision.files, { int3: { file: '../x' } });
  expect(parseManifest(json)).toEqual(parseManifest(validManifest()));
});

test.each<[path: string, value: unknown, expected: string]>([
  ['mclip', 2, 'newer'],
  ['mclip', '1', 'got "1"'],
  ['name', '', 'a non-empty string'],
  ['name', undefined, 'got nothing'],
  ['task', 'vlm', 'clip'],
  ['dim', 0, 'a positive integer'],
  ['dim', 1.5, 'got 1.5'],
  ['dim', '512', 'got "512"'],
  ['dim', 1e9, 'at most'],
  ['licence', 'MIT', 'an object'],
  ['licence.id', 7, 'got 7'],
  ['licence.notice', 7, 'a non-empty string'],
  ['image', [], 'an object'],
  ['image.size', -1, 'got -1'],
  ['image.size', 1e15, 'at most'],
  ['image.fit', 'stretch', 'crop or pad or squash'],
  ['image.interpolation', undefined, 'bilinear or bicubic'],
  ['image.interpolation', 'nearest', 'got "nearest"'],
  ['image.mean', [0, 0], '3 numbers'],
  ['image.mean', { length: 3 }, '3 numbers'],
  ['image.mean[1]', '0', 'a number'],
  ['image.std[2]', 0, 'got 0'],
  ['image.std[0]', null, 'got null'],
  ['text', null, 'an object'],
  ['text.tokenizer', 'bert', 'an object'],
  ['text.tokenizer.file', '../tokenizer.json', 'below the model folder'],
  ['text.tokenizer.sha256', 'A'.repeat(64), '64 lower-case hex digits'],
  ['text.contextLength', 64, '77'],
  ['text.padId', 49407, 'got 49407'],
  ['logitScale', 0, 'a number in range'],
  ['logitScale', Infinity, 'a number in range'],
  ['logitBias', 'low', 'got "low"'],
  ['scores', 'similarity', 'softmax or sigmoid'],
  ['graphs.vision', undefined, 'an object'],
  ['graphs.vision.files', {}, 'fp32'],
  ['graphs.vision.files', undefined, 'an object'],
  ['graphs.vision.files.w8', null, 'an object'],
  ['graphs.vision.files.w8.bytes', -5, 'got -5'],
  ['graphs.vision.files.w8.bytes', 2 ** 53, 'a positive integer'],
  ['graphs.text.files.w8.sha256', 'b'.repeat(63), '64 lower-case hex digits'],
  ['graphs.text.files.w8.sha256', `${'b'.repeat(64)}\n`, '64 lower-case hex digits'],
  ['graphs.text.input', 0, 'got 0'],
  ['graphs.vision.output', '', 'got ""'],
  ['canary', 'yes', 'an object'],
  ['canary.pattern', '1', 'a positive integer'],
  ['canary.vision', undefined, 'a non-empty string'],
  ['canary.text.embedding', 3, 'got 3'],
])('%s = %j is refused, naming the field and the value', (path, value, expected) => {
  const error = thrown('MODEL_CORRUPT', () => parseManifest(withField(path, value), 'models/x/mclip.json'));
  expect(error.message).toMatch(/^models\/x\/mclip\.json: /);
  expect(error.message).toContain(`${path.split('.').slice(0, 3).join('.')}`);
  expect(error.message).toContain(`${path} must be `);
  expect(error.message).toContain(expected);
});

test.each([null, undefined, 7, 'mclip', [], true])('%j is no manifest', (json) => {
  expect(thrown('MODEL_CORRUPT', () => parseManifest(json)).message).toContain('The manifest must be an object');
});

test.each([
  '../x',
  '/x',
  'C:\\x',
  'C:/x',
  'a/../b',
  'a\\b',
  'a/./b',
  'a//b',
  'a/',
  'http://host/x',
  '//host/x',
  'file:x',
  '',
  '.',
  '..',
  '...',
  '%2e%2e/x',
  'x?y',
  'x#y',
  'x y',
  'x\n',
  'x\0',
  '\u2025/x',
  // devices of Windows, which also drops dots at the end of a name
  'con',
  'a/NUL',
  'aux.onnx',
  'com1.x/y',
  'lpt9',
  'x.',
])('the file name %j cannot leave the model folder', (file) => {
  for (const path of ['graphs.vision.files.fp32.file', 'graphs.text.files.w8.file', 'text.tokenizer.file']) {
    expect(thrown('MODEL_CORRUPT', () => parseManifest(withField(path, file))).message).toContain(path);
  }
});

test.each(['x', 'a/b', 'onnx/s0/vision_model.onnx', 'v1.2-beta_3.onnx', '.hidden/x', 'a..b', 'contents', 'x/null'])(
  'the file name %j is fine',
  (file) => {
    const path = 'graphs.vision.files.fp32.file';
    expect(parseManifest(withField(path, file)).graphs.vision.files.fp32!.file).toBe(file);
  },
);

test('an accepted file name resolves below any base URL', () => {
  const part = fc.stringMatching(/^[\w.%\\/:?#-]{0,6}$/);
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      const file = parts.join('/');
      const json = withField('graphs.vision.files.fp32.file', file);
      if (accepts(json)) {
        expect(new URL(file, 'https://host/models/x/').href).toBe(`https://host/models/x/${file}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test('keys named like parts of a prototype are neither read nor written', () => {
  const json = JSON.parse(
    JSON.stringify(validManifest())
      .replace('"files":{', '"files":{"__proto__":{"q4":{"file":"../evil"}},')
      .replace('"mclip"', '"__proto__":{"dim":7,"polluted":1},"mclip"'),
  );
  expect(Object.keys(json)).toContain('__proto__');
  const manifest = parseManifest(json);
  expect(manifest).toEqual(parseManifest(validManifest()));
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test('inherited fields are not fields', () => {
  const json = Object.assign(Object.create({ dim: 192 }), validManifest());
  delete json.dim;
  expect(thrown('MODEL_CORRUPT', () => parseManifest(json)).message).toContain('dim must be');
});

test('values that JSON.stringify cannot show are refused like others', () => {
  let deep: unknown[] = [];
  for (let level = 0; level < 100_000; level++) deep = [deep];
  const circular: unknown[] = [];
  circular.push(circular);
  for (const value of [10n, deep, circular, () => 1, Symbol('x')]) {
    expect(thrown('MODEL_CORRUPT', () => parseManifest(withField('dim', value))).message).toContain('dim must be');
  }
});

test('any JSON is either a manifest or MODEL_CORRUPT', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      expect(accepts(json)).toBe(false);
    }),
  );
});

test('a manifest with one field replaced or removed is refused or still valid', () => {
  const paths = everyPath(validManifest());
  const replacement = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(undefined, NaN, Infinity, -Infinity, 1e308, -1, 0, 2 ** 40, 2 ** 53, '../x', [0, 0, 0]),
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.constantFrom(...paths), replacement, (path, value) => {
      const json = withField(path, value);
      if (!accepts(json)) return;
      accepted++;
      expectValid(parseManifest(json));
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(20);
});

test('the manifest of @mclip/nano is valid, with hashes and a canary', () => {
  const json = JSON.parse(readFileSync(new URL('../../../nano/models/clip/mclip.json', import.meta.url), 'utf8'));
  const manifest = parseManifest(json);
  expectValid(manifest);
  expect(manifest.canary).not.toBeNull();
  for (const graph of [manifest.graphs.vision, manifest.graphs.text]) {
    for (const file of Object.values(graph.files)) {
      expect(file.sha256).not.toBeNull();
      expect(file.bytes).not.toBeNull();
    }
  }
});

function accepts(json: unknown): boolean {
  try {
    parseManifest(json);
    return true;
  } catch (error) {
    if (!(error instanceof MclipError) || error.code !== 'MODEL_CORRUPT') throw error;
    return false;
  }
}

/** Written apart from the parser: what the rest of the library relies on. */
function expectValid(manifest: Manifest): void {
  const { image, graphs, text } = manifest;
  expect(Number.isInteger(manifest.dim) && manifest.dim > 0 && manifest.dim <= 65_536).toBe(true);
  expect(Number.isInteger(image.size) && image.size > 0 && image.size <= 4096).toBe(true);
  expect(['crop', 'pad', 'squash']).toContain(image.fit);
  expect(['bilinear', 'bicubic']).toContain(image.interpolation);
  expect([image.mean.length, image.std.length]).toEqual([3, 3]);
  expect([...image.mean, ...image.std].every(Number.isFinite)).toBe(true);
  expect(image.std.every((value) => value > 0)).toBe(true);
  expect([text.contextLength, text.padId]).toEqual([77, 0]);
  expect(manifest.logitScale > 0 && manifest.logitScale < Infinity).toBe(true);
  expect(manifest.logitBias === null || Number.isFinite(manifest.logitBias)).toBe(true);
  expect(['softmax', 'sigmoid']).toContain(manifest.scores);
  for (const string of [manifest.name, manifest.task, manifest.licence.id, manifest.licence.notice]) {
    expect(typeof string).toBe('string');
  }
  const files = [...Object.values(graphs.vision.files), ...Object.values(graphs.text.files)];
  for (const { file, bytes, sha256 } of files) {
    expect(new URL(file, 'file:///models/x/').pathname).toBe(`/models/x/${file}`);
    expect(bytes === null || (Number.isSafeInteger(bytes) && bytes > 0)).toBe(true);
    expect(sha256 === null || /^[0-9a-f]{64}$/.test(sha256)).toBe(true);
  }
  for (const { files, input, output } of [graphs.vision, graphs.text]) {
    expect(Object.keys(files).length).toBeGreaterThan(0);
    expect(Object.keys(files).every((dtype) => (DTYPES as readonly string[]).includes(dtype))).toBe(true);
    expect([typeof input, typeof output].every((type) => type === 'string' || type === 'object')).toBe(true);
  }
}

/** The valid manifest with one field replaced; `undefined` removes it. */
function withField(path: string, value: unknown): unknown {
  const json = validManifest();
  const steps = path.replaceAll(/\[(\d)\]/g, '.$1').split('.');
  const last = steps.pop()!;
  // biome-ignore lint/suspicious/noExplicitAny: any field of any object
  const parent = steps.reduce<any>((at, step) => at[step], json);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return json;
}

function everyPath(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    return [path, ...everyPath(child, path)];
  });
}
