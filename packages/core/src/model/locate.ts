/**
 * From the `model` option to a manifest and the URLs of its files. Knows URLs, folders and bundled models; names are the
 * hub's (hub.ts), fetching is the platform's.
 */
import { invalid, MclipError, shown } from '../errors.js';
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
  /** Models that have a name; code of its own. */
  named(): Promise<NamedModels<M>>;
  /** Named in errors. */
  bundled: string;
}

export interface NamedModels<M> {
  presets: Readonly<Record<string, Preset<M>>>;
  /** Published as checkpoints only. */
  unexported: readonly string[];
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
    const base = /^https?:\/\//.test(model) ? withSlash(model) : platform.localModelUrl(model);
    if (base !== null) return locateFolder(at, model, base);
    const hub = await import('./hub.js');
    return hub.locateNamed(at, model);
  }
  if (model instanceof URL) return locateFolder(at, model.href, withSlash(model.href));
  if (typeof model === 'object' && model !== null && typeof model.fileUrl === 'function') {
    return locateBundled(model, family);
  }
  throw invalid(`model must be a preset name, 'org/repo', a URL, a folder or a bundled model, got ${shown(model)}.`);
}

export interface Whereabouts<M> {
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

export const withSlash = (url: string) => (url.endsWith('/') ? url : `${url}/`);

export function parseJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MclipError('MODEL_CORRUPT', `${url} is not JSON: ${shown(text.slice(0, 60))}.`, { cause });
  }
}
