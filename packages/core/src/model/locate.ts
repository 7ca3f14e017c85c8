/**
 * From the `model` option to a manifest and the URLs of its files. Knows presets, hub repositories, URLs, folders and
 * bundled models; fetching is the platform's.
 */
import { MclipError, shown } from '../errors.js';
import type { FetchedFile, FetchOptions, Platform } from '../platform.js';
import type { Manifest, ManifestFile } from './manifest.js';
import type { Preset } from './presets.js';

/** A model shipped as an npm package: `nanoClip` of `@mclip/nano`. */
export interface BundledModel {
  manifest: unknown;
  /** Where each file of the manifest is. */
  fileUrl(file: string): URL;
}

/** Preset name, `org/repo` on the hub, URL, folder (Node), or a bundled model. */
export type ModelSpec = string | URL | BundledModel;

/** What one kind of model (CLIP, captioner) knows of itself. */
export interface ModelFamily<M> {
  /** @throws {MclipError} `MODEL_CORRUPT` */
  parse(json: unknown, origin?: string): M;
  presets: Readonly<Record<string, Preset<M>>>;
  /** Names of models that are published as checkpoints only. */
  unexported: readonly string[];
  /** Named in errors. */
  bundled: string;
}

export interface LocatedModel<M = Manifest> {
  /** What the caller asked for, as text: kept in label sets. */
  id: string;
  manifest: M;
  /** Where a file is and what it must hash to. */
  locate(file: ManifestFile): Promise<FetchedFile>;
}

/**
 * @throws {MclipError} `MODEL_NOT_FOUND`, `MODEL_CORRUPT` (bad manifest), `OFFLINE`, `NETWORK`, `INVALID_ARGUMENT`.
 */
export async function locateModel<M extends { name: string }>(
  platform: Platform,
  model: ModelSpec,
  family: ModelFamily<M>,
  options: FetchOptions,
): Promise<LocatedModel<M>> {
  const at: Whereabouts<M> = { platform, family, options };
  if (typeof model === 'string' && model !== '') {
    const { presets } = family;
    const named = Object.hasOwn(presets, model) ? presets[model] : undefined;
    const preset = named ?? Object.values(presets).find(({ repo, folder }) => repo === model && !/\/./.test(folder));
    if (preset !== undefined) return locatePreset(at, model, preset);
    const base = /^https?:\/\//.test(model) ? withSlash(model) : platform.localModelUrl(model);
    if (base !== null) return locateFolder(at, model, base);
    if (/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(model)) return locateRepository(at, model);
    throw unknownModel(model, family);
  }
  if (model instanceof URL) return locateFolder(at, model.href, withSlash(model.href));
  if (typeof model === 'object' && model !== null && typeof model.fileUrl === 'function') {
    return locateBundled(model, family);
  }
  throw new MclipError(
    'INVALID_ARGUMENT',
    `model must be a preset name, 'org/repo', a URL, a folder or a bundled model, got ${shown(model)}.`,
  );
}

interface Whereabouts<M> {
  platform: Platform;
  family: ModelFamily<M>;
  options: FetchOptions;
}

function locateBundled<M extends { name: string }>(model: BundledModel, family: ModelFamily<M>): LocatedModel<M> {
  const manifest = family.parse(model.manifest, 'bundled model');
  return {
    id: manifest.name,
    manifest,
    locate: async ({ file, bytes, sha256 }) => ({
      url: model.fileUrl(file).href,
      bytes,
      sha256,
      model: manifest.name,
    }),
  };
}

async function locateFolder<M>(
  { platform, family, options }: Whereabouts<M>,
  id: string,
  base: string,
): Promise<LocatedModel<M>> {
  const url = `${base}mclip.json`;
  const text = await platform.fetchText(url, { ...options, model: id });
  if (text === null) {
    throw new MclipError(
      'MODEL_NOT_FOUND',
      `No mclip.json at ${url}. A model folder holds mclip.json and the files it names (docs/models.md).`,
    );
  }
  return {
    id,
    manifest: family.parse(parseJson(text, url), url),
    locate: async ({ file, bytes, sha256 }) => ({ url: base + file, bytes, sha256, model: id }),
  };
}

async function locateRepository<M>(at: Whereabouts<M>, repo: string): Promise<LocatedModel<M>> {
  const { platform, family, options } = at;
  const manifestAt = (revision: string) =>
    `${withSlash(options.settings.hubUrl)}${repo}/resolve/${revision}/mclip.json`;
  const revision = await pinnedRevision(at, repo, { repo, revision: 'main' }, manifestAt('main'));
  const url = manifestAt(revision);
  const text = await platform.fetchText(url, { ...options, model: repo, keep: true });
  if (text === null) {
    throw new MclipError(
      'MODEL_NOT_FOUND',
      `The repository '${repo}' has no mclip.json (or does not exist), and is no preset: ${names(family)}. ` +
        'Add a manifest to it, or make a model folder of your own (docs/models.md).',
    );
  }
  return fromHub(
    at,
    { repo, folder: '', id: repo, revision: async () => revision },
    family.parse(parseJson(text, url), repo),
  );
}

/**
 * A branch moves, and what is trusted on first use must not: the commit it was at is kept in the store, and read from
 * then on. A mirror that cannot tell is read at the branch, as is what was stored from there (`sample`).
 */
async function pinnedRevision(
  { platform, options }: Whereabouts<unknown>,
  id: string,
  { repo, revision }: Pick<Preset<unknown>, 'repo' | 'revision'>,
  sample: string,
): Promise<string> {
  if (COMMIT.test(revision)) return revision;
  const url = `${withSlash(options.settings.hubUrl)}api/models/${repo}/revision/${revision}`;
  const offline = { ...options.settings, offline: true };
  const isStored = await platform.fetchText(sample, { ...options, settings: offline }).catch(() => null);
  if (isStored !== null) return revision;
  try {
    const text = await platform.fetchText(url, { ...options, model: id, keep: true });
    const { sha } = JSON.parse(text ?? '{}') as { sha?: unknown };
    if (typeof sha === 'string' && COMMIT.test(sha)) return sha;
  } catch {
    options.signal?.throwIfAborted();
  }
  return revision;
}

const COMMIT = /^[0-9a-f]{40}$/;

/** Its manifest is here, so nothing is fetched until a file is asked for. */
function locatePreset<M>(at: Whereabouts<M>, id: string, preset: Preset<M>): LocatedModel<M> {
  const { repo, folder, manifest } = preset;
  const sample = listingUrl(at, repo, preset.revision);
  return fromHub(at, { repo, folder, id, revision: once(() => pinnedRevision(at, id, preset, sample)) }, manifest);
}

/** Files without a published hash are checked against the hub's own listing, which is kept with the model. */
function fromHub<M>(
  at: Whereabouts<M>,
  { repo, folder, id, revision }: { repo: string; folder: string; id: string; revision(): Promise<string> },
  manifest: M,
): LocatedModel<M> {
  const hub = withSlash(at.options.settings.hubUrl);
  const listing = once(async () => readListing(at, listingUrl(at, repo, await revision()), id));
  return {
    id,
    manifest,
    async locate({ file, bytes, sha256 }) {
      const path = folder + file;
      const commit = await revision();
      const url = `${hub}${repo}/resolve/${commit}/${path}`;
      if (bytes !== null && sha256 !== null) return { url, bytes, sha256, model: id };
      const entry = (await listing()).get(path);
      if (entry === undefined) {
        throw new MclipError('MODEL_NOT_FOUND', `The repository '${repo}' (${commit}) has no file ${path}.`);
      }
      return { url, bytes: bytes ?? entry.bytes, sha256: sha256 ?? entry.sha256, model: id };
    },
  };
}

const listingUrl = ({ options }: Whereabouts<unknown>, repo: string, revision: string) =>
  `${withSlash(options.settings.hubUrl)}api/models/${repo}/tree/${revision}?recursive=true`;

/** One call for everybody who asks; after a failure a later one may try again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work().catch((error) => {
      result = undefined;
      throw error;
    });
    return result;
  };
}

interface ListingEntry {
  path?: string;
  size?: number;
  /** Of large files: the hash of the content. */
  lfs?: { oid?: string; size?: number };
}

async function readListing({ platform, options }: Whereabouts<unknown>, url: string, model: string) {
  const text = await platform.fetchText(url, { ...options, model, keep: true });
  if (text === null) throw new MclipError('MODEL_NOT_FOUND', `No repository listing at ${url}.`);
  const listing = new Map<string, Omit<FetchedFile, 'url'>>();
  const entries = parseJson(text, url);
  if (!Array.isArray(entries)) throw new MclipError('NETWORK', `The listing at ${url} is not a list of files.`);
  for (const entry of entries as (ListingEntry | null)[]) {
    const { path, size, lfs } = entry ?? {};
    if (typeof path === 'string') listing.set(path, { bytes: lfs?.size ?? size ?? null, sha256: lfs?.oid ?? null });
  }
  return listing;
}

function unknownModel(model: string, family: ModelFamily<unknown>): MclipError {
  const hint = family.unexported.includes(model)
    ? `'${model}' has no public ONNX files: export Apple's checkpoint to ONNX, add an mclip.json (docs/models.md) and pass the folder.`
    : `Unknown model '${model}'. Presets: ${names(family)}; or give 'org/repo', a URL, a folder ('./models/x'), or a bundled model as an object (${family.bundled} of @mclip/nano).`;
  return new MclipError('MODEL_NOT_FOUND', hint);
}

const names = ({ presets }: ModelFamily<unknown>) => Object.keys(presets).join(', ');
const withSlash = (url: string) => (url.endsWith('/') ? url : `${url}/`);

function parseJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MclipError('MODEL_CORRUPT', `${url} is not JSON: ${shown(text.slice(0, 60))}.`, { cause });
  }
}
