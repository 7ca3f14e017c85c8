/**
 * Model files where they were stored before, or from the network. What a warm start needs is here; downloading is
 * imported when something must be fetched.
 */
import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import type { FetchedFile, FetchOptions, ModelFile, Platform, TextOptions } from '../platform.js';
import type { StoreReader } from './backend.js';
import type { Download } from './download.js';
import type { Network } from './request.js';
import { storedBytes } from './stored.js';

/** A URL below a commit of the hub: what it gives cannot change. */
const PINNED = /\/[0-9a-f]{40}(\/|\?|$)/;

export type OpenStore = (settings: ResolvedSettings) => StoreReader | Promise<StoreReader>;

export function modelStore(openStore: OpenStore, network: Network): Pick<Platform, 'fetchText' | 'fetchFile'> {
  async function fetchFile(file: FetchedFile, options: FetchOptions): Promise<ModelFile> {
    const store = await openStore(options.settings);
    const bytes = await storedBytes(store, file, options.signal);
    if (bytes !== null) options.onBytes?.(bytes, bytes);
    else if (!(await fetched(store, file, options, { isText: false, replaces: null }))) {
      // Vite's dev server moves modules that it pre-bundles away from the files beside them
      const hint = file.url.includes('/.vite/') ? ' Add the plugin of @mclip/web/vite to your Vite configuration.' : '';
      throw new MclipError('MODEL_NOT_FOUND', `There is no model file at ${file.url}.${hint}`);
    }
    return store.open(file.url);
  }

  /** What was fetched once is used when the network is off or out of reach; what cannot change is not asked for again. */
  async function fetchText(url: string, options: TextOptions): Promise<string | null> {
    const { settings, signal, bytes = null, sha256 = null, model, keep = false } = options;
    const store = await openStore(settings);
    const file = { url, bytes, sha256, ...(model !== undefined && { model }) };
    const isStored = (await storedBytes(store, file, signal)) !== null;
    if (isStored && (settings.offline || keep || sha256 !== null || PINNED.test(url))) return store.readText(url);
    try {
      const patient = isStored
        ? { ...options, settings: { ...settings, retries: 0, stallTimeout: Math.min(5000, settings.stallTimeout) } }
        : options;
      const replaces = isStored ? ((await store.readJournal(url))?.file?.verifiedAt ?? null) : null;
      return (await fetched(store, file, patient, { isText: true, replaces })) ? await store.readText(url) : null;
    } catch (error) {
      if (isStored && MclipError.isInstance(error) && error.code === 'NETWORK') return store.readText(url);
      throw error;
    }
  }

  async function fetched(
    store: StoreReader,
    file: FetchedFile,
    options: FetchOptions,
    how: Pick<Download, 'isText' | 'replaces'>,
  ) {
    const [{ download }, backend] = await Promise.all([import('./download.js'), store.forWriting()]);
    return download({ backend, network, file, options, ...how });
  }

  return { fetchFile, fetchText };
}
