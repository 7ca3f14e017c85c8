/** Models by name: presets and repositories of the hub, at which commit they are read, and what its listing says of the files. */
import { MclipError } from '../errors.js';
import type { FetchedFile } from '../platform.js';
import { type LocatedModel, type NamedModels, parseJson, type Whereabouts, withSlash } from './locate.js';
import type { Preset } from './presets.js';

/** @throws {MclipError} `MODEL_NOT_FOUND` for a name that is neither a preset's nor a repository's */
export async function locateNamed<M>(at: Whereabouts<M>, model: string): Promise<LocatedModel<M>> {
  const named = await at.family.named();
  const { presets, unexported } = named;
  const byName = Object.hasOwn(presets, model) ? presets[model] : undefined;
  const preset = byName ?? Object.values(presets).find(({ repo, folder }) => repo === model && !/\/./.test(folder));
  if (preset !== undefined) return locatePreset(at, model, preset);
  if (/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(model)) return locateRepository(at, model, named);
  const hint = unexported.includes(model)
    ? `'${model}' has no public ONNX files: export Apple's checkpoint to ONNX, add an mclip.json (docs/models.md) and pass the folder.`
    : `Unknown model '${model}'. Presets: ${names(named)}; or give 'org/repo', a URL, a folder ('./models/x'), or a bundled model as an object (${at.family.bundled} of @mclip/nano).`;
  throw new MclipError('MODEL_NOT_FOUND', hint);
}

const names = ({ presets }: NamedModels<unknown>) => Object.keys(presets).join(', ');

async function locateRepository<M>(at: Whereabouts<M>, repo: string, named: NamedModels<M>): Promise<LocatedModel<M>> {
  const { platform, family, options } = at;
  const manifestAt = (revision: string) =>
    `${withSlash(options.settings.hubUrl)}${repo}/resolve/${revision}/mclip.json`;
  const revision = await pinnedRevision(at, repo, { repo, revision: 'main' }, manifestAt('main'));
  const url = manifestAt(revision);
  const text = await platform.fetchText(url, { ...options, model: repo, keep: true });
  if (text === null) {
    throw new MclipError(
      'MODEL_NOT_FOUND',
      `The repository '${repo}' has no mclip.json (or does not exist), and is no preset: ${names(named)}. ` +
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
    if (typeof path !== 'string') continue;
    const bytes = lfs?.size ?? size ?? null;
    const sha256 = lfs?.oid ?? null;
    const isValid =
      (bytes === null || (Number.isSafeInteger(bytes) && bytes >= 0)) &&
      (sha256 === null || /^[0-9a-f]{64}$/.test(`${sha256}`));
    if (!isValid) throw new MclipError('NETWORK', `The listing at ${url} has no valid size and hash for ${path}.`);
    listing.set(path, { bytes, sha256 });
  }
  return listing;
}
