import { expect, test } from 'vitest';
import { clipFamily } from '../../src/clip/clip-family.js';
import { resolveSettings, type Settings } from '../../src/configure.js';
import { MclipError } from '../../src/errors.js';
import { type BundledModel, locateModel, type ModelSpec } from '../../src/model/locate.js';
import { parseManifest } from '../../src/model/manifest.js';
import { presets, unexported } from '../../src/model/presets.js';
import type { FetchOptions, Platform } from '../../src/platform.js';
import { rejection } from '../thrown.js';
import { smallestManifest, validManifest } from './valid-manifest.js';

const HUB = 'https://huggingface.co';
const UNHASHED = { file: 'v.onnx', bytes: null, sha256: null };

/** A platform whose network and disk are a table of texts. */
function memoryPlatform(texts: Record<string, unknown>) {
  const fetched: string[] = [];
  const stored = new Set<string>();
  const platform = {
    localModelUrl: (model: string) => (/^\.{0,2}\//.test(model) ? `file:///app/${model.replace(/^\.\//, '')}/` : null),
    async fetchText(url: string, { settings }: FetchOptions) {
      if (settings.offline && !stored.has(url)) throw new MclipError('OFFLINE', `${url} is not stored`);
      fetched.push(url);
      const text = texts[url];
      if (text instanceof Error) throw text;
      return text === undefined ? null : typeof text === 'string' ? text : JSON.stringify(text);
    },
  };
  return { platform: platform as unknown as Platform, fetched, stored, texts };
}

const options = (settings: Settings = {}): FetchOptions => ({ settings: resolveSettings(settings) });

const listingUrl = (repo: string, revision = 'main', hub = HUB) =>
  `${hub}/api/models/${repo}/tree/${revision}?recursive=true`;

const revisionUrl = (repo: string, hub = HUB) => `${hub}/api/models/${repo}/revision/main`;
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

const LISTING = [
  { type: 'directory', path: 'onnx', size: 0 },
  { type: 'file', path: 'onnx/vision_model.onnx', size: 130, lfs: { oid: 'e'.repeat(64), size: 45_543_630 } },
  { type: 'file', path: 'onnx/config.json', size: 17, oid: 'f'.repeat(40) },
];

test('a preset carries its manifest: nothing is fetched to find it', async () => {
  const { platform, fetched } = memoryPlatform({});
  const { id, manifest } = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
  expect(id).toBe('mobileclip-s0');
  expect(manifest).toBe(presets['mobileclip-s0']!.manifest);
  expect(fetched).toEqual([]);
});

test("size and hash of a preset's file come from the hub's listing, which is read once", async () => {
  const { platform, fetched } = memoryPlatform({ [listingUrl('Xenova/mobileclip_s0')]: LISTING });
  const { locate, manifest } = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
  const file = manifest.graphs.vision.files.fp32!;
  const expected = {
    url: `${HUB}/Xenova/mobileclip_s0/resolve/main/onnx/vision_model.onnx`,
    bytes: 45_543_630,
    sha256: 'e'.repeat(64),
    model: 'mobileclip-s0',
  };
  expect(await Promise.all([locate(file), locate(file)])).toEqual([expected, expected]);
  expect(fetched).toEqual([revisionUrl('Xenova/mobileclip_s0'), listingUrl('Xenova/mobileclip_s0')]);
});

test('a small file has a size but no content hash in the listing', async () => {
  const { platform } = memoryPlatform({ [listingUrl('Xenova/mobileclip_s0')]: LISTING });
  const { locate } = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
  expect(await locate({ ...UNHASHED, file: 'config.json' })).toMatchObject({ bytes: 17, sha256: null });
});

test('a preset of a pinned revision is read at that revision', async () => {
  const { repo, revision } = presets['mobileclip2-s0']!;
  expect(revision).toMatch(/^[0-9a-f]{40}$/);
  const listing = [{ path: 'onnx/s0/vision_model.onnx', size: 5 }];
  const { platform } = memoryPlatform({ [listingUrl(repo, revision)]: listing });
  const { locate, manifest } = await locateModel(platform, 'mobileclip2-s0', clipFamily, options());
  const { url } = await locate(manifest.graphs.vision.files.fp32!);
  expect(url).toBe(`${HUB}/${repo}/resolve/${revision}/onnx/s0/vision_model.onnx`);
});

test('the repository of a preset is that preset', async () => {
  const { platform, fetched } = memoryPlatform({});
  const { id, manifest } = await locateModel(platform, 'Xenova/mobileclip_b', clipFamily, options());
  expect(id).toBe('Xenova/mobileclip_b');
  expect(manifest).toBe(presets['mobileclip-b']!.manifest);
  expect(fetched).toEqual([]);
});

test.each(['https://mirror.example/hf', 'https://mirror.example/hf/'])(
  '%s can stand in for the hub',
  async (hubUrl) => {
    const mirror = 'https://mirror.example/hf';
    const { platform, fetched } = memoryPlatform({
      [listingUrl('Xenova/mobileclip_s0', 'main', mirror)]: LISTING,
      [`${mirror}/me/clip/resolve/main/mclip.json`]: validManifest(),
    });
    const preset = await locateModel(platform, 'mobileclip-s0', clipFamily, options({ hubUrl }));
    const file = await preset.locate(preset.manifest.graphs.vision.files.fp32!);
    expect(file.url).toBe(`${mirror}/Xenova/mobileclip_s0/resolve/main/onnx/vision_model.onnx`);
    const own = await locateModel(platform, 'me/clip', clipFamily, options({ hubUrl }));
    const { url } = await own.locate(own.manifest.graphs.vision.files.w8!);
    expect(url).toBe(`${mirror}/me/clip/resolve/main/vision.w8.onnx`);
    expect(fetched.every((address) => address.startsWith(`${mirror}/`))).toBe(true);
  },
);

test('a repository with a manifest', async () => {
  const { platform, fetched } = memoryPlatform({ [`${HUB}/me/my.clip-1/resolve/main/mclip.json`]: validManifest() });
  const { id, manifest, locate } = await locateModel(platform, 'me/my.clip-1', clipFamily, options());
  expect(id).toBe('me/my.clip-1');
  expect(manifest).toEqual(parseManifest(validManifest()));
  expect(await locate(manifest.graphs.vision.files.fp32!)).toEqual({
    url: `${HUB}/me/my.clip-1/resolve/main/fp32/vision.onnx`,
    bytes: 8_000_000,
    sha256: 'c'.repeat(64),
    model: id,
  });
  // size and hash are published: no listing
  expect(fetched).toEqual([revisionUrl('me/my.clip-1'), `${HUB}/me/my.clip-1/resolve/main/mclip.json`]);
});

test("a hash in the manifest is not replaced by the listing's", async () => {
  const { platform } = memoryPlatform({
    [`${HUB}/me/clip/resolve/main/mclip.json`]: smallestManifest(),
    [listingUrl('me/clip')]: [{ path: 'v.onnx', size: 1, lfs: { oid: 'e'.repeat(64), size: 99 } }],
  });
  const { locate } = await locateModel(platform, 'me/clip', clipFamily, options());
  expect(await locate({ file: 'v.onnx', bytes: null, sha256: 'a'.repeat(64) })).toMatchObject({
    bytes: 99,
    sha256: 'a'.repeat(64),
  });
  expect(await locate({ file: 'v.onnx', bytes: 7, sha256: null })).toMatchObject({ bytes: 7, sha256: 'e'.repeat(64) });
});

test('a repository without a manifest is explained', async () => {
  const { platform } = memoryPlatform({});
  const { message } = await rejection('MODEL_NOT_FOUND', locateModel(platform, 'me/clip', clipFamily, options()));
  expect(message).toContain("'me/clip'");
  expect(message).toContain('mclip.json');
  expect(message).toContain('mobileclip2-s0');
});

test.each<[ModelSpec, string]>([
  ['https://host/models/x', 'https://host/models/x'],
  ['https://host/models/x/', 'https://host/models/x/'],
  ['http://localhost:8080/x', 'http://localhost:8080/x'],
  [new URL('https://host/models/x'), 'https://host/models/x'],
])('a model at the URL %s', async (model, id) => {
  const base = id.replace(/\/$/, '');
  const { platform } = memoryPlatform({ [`${base}/mclip.json`]: validManifest() });
  const located = await locateModel(platform, model, clipFamily, options());
  expect(located.id).toBe(id);
  expect(await located.locate(located.manifest.graphs.vision.files.fp32!)).toEqual({
    url: `${base}/fp32/vision.onnx`,
    bytes: 8_000_000,
    sha256: 'c'.repeat(64),
    model: id,
  });
});

test('a model in a folder', async () => {
  const { platform } = memoryPlatform({ 'file:///app/models/x/mclip.json': smallestManifest() });
  const { id, locate, manifest } = await locateModel(platform, './models/x', clipFamily, options());
  expect(id).toBe('./models/x');
  expect(await locate(manifest.graphs.vision.files.fp32!)).toEqual({
    url: 'file:///app/models/x/v.onnx',
    bytes: null,
    sha256: null,
    model: id,
  });
});

test('a folder without a manifest names the place it looked at', async () => {
  const { platform } = memoryPlatform({});
  const { message } = await rejection('MODEL_NOT_FOUND', locateModel(platform, './models/x', clipFamily, options()));
  expect(message).toContain('file:///app/models/x/mclip.json');
});

test('a bundled model says itself where its files are', async () => {
  const { platform, fetched } = memoryPlatform({});
  const model: BundledModel = { manifest: validManifest(), fileUrl: (file) => new URL(`file:///pkg/${file}?hash`) };
  const { id, locate, manifest } = await locateModel(platform, model, clipFamily, options());
  expect(id).toBe('tiny-clip');
  expect((await locate(manifest.graphs.text.files.w8!)).url).toBe('file:///pkg/text.w8.onnx?hash');
  expect(fetched).toEqual([]);
});

test('a bundled model with a bad manifest is corrupt', async () => {
  const { platform } = memoryPlatform({});
  const model: BundledModel = { manifest: { mclip: 1 }, fileUrl: () => new URL('file:///x') };
  expect((await rejection('MODEL_CORRUPT', locateModel(platform, model, clipFamily, options()))).message).toContain(
    'bundled',
  );
});

test.each(['mobileclip3', 'MobileCLIP2-S0', 'a/b/c', 'a b/c', 'me/..', '__proto__', 'constructor', 'toString'])(
  'the unknown model %j is answered with the presets',
  async (model) => {
    const { platform } = memoryPlatform({});
    const { message } = await rejection('MODEL_NOT_FOUND', locateModel(platform, model, clipFamily, options()));
    expect(message).toContain(`'${model}'`);
    for (const name of Object.keys(presets)) expect(message).toContain(name);
  },
);

test.each(unexported)('%s says that it must be exported', async (model) => {
  const { platform } = memoryPlatform({});
  const { message } = await rejection('MODEL_NOT_FOUND', locateModel(platform, model, clipFamily, options()));
  expect(message).toContain(model);
  expect(message).toContain('export');
});

test.each([undefined, null, '', 7, {}, [], true, 10n])('%o is no model', async (model) => {
  const { platform } = memoryPlatform({});
  await rejection('INVALID_ARGUMENT', locateModel(platform, model as unknown as ModelSpec, clipFamily, options()));
});

test.each([
  ['./x', 'file:///app/x/mclip.json'],
  ['https://host/x', 'https://host/x/mclip.json'],
  ['me/clip', `${HUB}/me/clip/resolve/main/mclip.json`],
])('a manifest of %s that is not JSON is corrupt', async (model, url) => {
  const { platform } = memoryPlatform({ [url]: '<!doctype html><title>Not found</title>' });
  const error = await rejection('MODEL_CORRUPT', locateModel(platform, model, clipFamily, options()));
  expect(error.message).toContain('not JSON');
  expect(error.message).toContain('<!doctype html>');
  expect(error.cause).toBeInstanceOf(SyntaxError);
});

test('a manifest with a bad field is corrupt and says where it came from', async () => {
  const { platform } = memoryPlatform({ 'file:///app/x/mclip.json': { ...validManifest(), dim: -1 } });
  const { message } = await rejection('MODEL_CORRUPT', locateModel(platform, './x', clipFamily, options()));
  expect(message).toContain('file:///app/x/mclip.json: dim must be');
});

test('a file that is missing in the listing', async () => {
  const { platform } = memoryPlatform({ [listingUrl('Xenova/mobileclip_s0')]: LISTING });
  const { locate, manifest } = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
  const { message } = await rejection('MODEL_NOT_FOUND', locate(manifest.graphs.text.files.fp32!));
  expect(message).toContain('Xenova/mobileclip_s0');
  expect(message).toContain('onnx/text_model.onnx');
});

test('a listing that does not exist', async () => {
  const { platform } = memoryPlatform({});
  const { locate } = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
  expect((await rejection('MODEL_NOT_FOUND', locate(UNHASHED))).message).toContain('/api/models/Xenova/mobileclip_s0');
});

test('a listing of another form is a typed error', async () => {
  for (const [listing, code] of [
    [{ error: 'rate limited' }, 'NETWORK'],
    ['<html>', 'MODEL_CORRUPT'],
    [[{ path: 'onnx/v.onnx', size: -1 }], 'NETWORK'],
    [[{ path: 'onnx/v.onnx', size: '7' }], 'NETWORK'],
    [[{ path: 'onnx/v.onnx', lfs: { oid: '../../x', size: 7 } }], 'NETWORK'],
    [[null, 7, 'x', {}, { path: 5 }, { path: 'onnx/v.onnx', lfs: null }], null],
  ] as const) {
    const { platform } = memoryPlatform({ [listingUrl('Xenova/mobileclip_s0')]: listing });
    const { locate } = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
    if (code !== null) await rejection(code, locate(UNHASHED));
    else expect(await locate(UNHASHED)).toMatchObject({ bytes: null, sha256: null });
  }
});

test('a listing that failed is asked for again', async () => {
  const url = listingUrl('Xenova/mobileclip_s0');
  const { platform, texts } = memoryPlatform({ [url]: new Error('connection lost') });
  const { locate, manifest } = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
  const file = manifest.graphs.vision.files.fp32!;
  await expect(locate(file)).rejects.toThrow('connection lost');
  texts[url] = LISTING;
  expect(await locate(file)).toMatchObject({ bytes: 45_543_630 });
});

test("the platform's own errors and settings pass through", async () => {
  const failure = new Error('offline');
  const { platform } = memoryPlatform({ 'https://host/x/mclip.json': failure });
  await expect(locateModel(platform, 'https://host/x', clipFamily, options())).rejects.toBe(failure);
  const seen: FetchOptions[] = [];
  const spy = {
    localModelUrl: () => null,
    fetchText: async (_: string, given: FetchOptions) => {
      seen.push(given);
      return JSON.stringify(validManifest());
    },
  } as unknown as Platform;
  const given = { ...options({ retries: 1 }), signal: new AbortController().signal };
  await locateModel(spy, 'https://host/x', clipFamily, given);
  expect(seen[0]).toEqual({ ...given, model: 'https://host/x' });
  await locateModel(spy, 'me/clip', clipFamily, given);
  expect(seen.at(-1)).toEqual({ ...given, model: 'me/clip', keep: true });
});

test('a branch is read at the commit that it is at on first use', async () => {
  const texts = {
    [revisionUrl('me/clip')]: { sha: COMMIT },
    [`${HUB}/me/clip/resolve/${COMMIT}/mclip.json`]: smallestManifest(),
    [listingUrl('me/clip', COMMIT)]: [{ path: 'v.onnx', size: 7 }],
    [revisionUrl('Xenova/mobileclip_s0')]: { sha: COMMIT },
    [listingUrl('Xenova/mobileclip_s0', COMMIT)]: LISTING,
  };
  const { platform } = memoryPlatform(texts);
  const own = await locateModel(platform, 'me/clip', clipFamily, options());
  expect(await own.locate(UNHASHED)).toMatchObject({ url: `${HUB}/me/clip/resolve/${COMMIT}/v.onnx`, bytes: 7 });
  const preset = await locateModel(platform, 'mobileclip-s0', clipFamily, options());
  const { url } = await preset.locate(preset.manifest.graphs.vision.files.fp32!);
  expect(url).toBe(`${HUB}/Xenova/mobileclip_s0/resolve/${COMMIT}/onnx/vision_model.onnx`);
});

test.each([{ sha: '../../evil' }, { sha: 7 }, {}, 'not JSON', new Error('connection lost')])(
  'a hub that does not tell the commit (%o) is read at the branch',
  async (answer) => {
    const { platform } = memoryPlatform({
      [revisionUrl('me/clip')]: answer,
      [`${HUB}/me/clip/resolve/main/mclip.json`]: smallestManifest(),
    });
    expect((await locateModel(platform, 'me/clip', clipFamily, options())).manifest.name).toBe(smallestManifest().name);
  },
);

test('what was stored from a branch is read there again, without a question', async () => {
  const { platform, fetched, stored } = memoryPlatform({
    [`${HUB}/me/clip/resolve/main/mclip.json`]: smallestManifest(),
  });
  stored.add(`${HUB}/me/clip/resolve/main/mclip.json`);
  await locateModel(platform, 'me/clip', clipFamily, options());
  expect(fetched).not.toContain(revisionUrl('me/clip'));
});
