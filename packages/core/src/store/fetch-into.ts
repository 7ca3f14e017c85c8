/** From the network into the store: what is not there, or may have changed. */
import { MclipError } from '../errors.js';
import type { FetchedFile, FetchOptions } from '../platform.js';
import type { StoreReader } from './backend.js';
import { type Download, download } from './download.js';
import type { Network } from './request.js';

export interface Wanted {
  store: StoreReader;
  network: () => Promise<Network>;
  file: FetchedFile;
  options: FetchOptions;
}

/** @throws {MclipError} `MODEL_NOT_FOUND` when there is none */
export async function fetchFile(wanted: Wanted): Promise<void> {
  if (await fetchInto(wanted, { isText: false, replaces: null })) return;
  const { url } = wanted.file;
  // Vite's dev server moves modules that it pre-bundles away from the files beside them
  const hint = url.includes('/.vite/') ? ' Add the plugin of @mclip/web/vite to your Vite configuration.' : '';
  throw new MclipError('MODEL_NOT_FOUND', `There is no model file at ${url}.${hint}`);
}

/** False when there is none. What was fetched once is good enough while the network is out of reach. */
export async function fetchText(wanted: Wanted, isStored: boolean): Promise<boolean> {
  if (!isStored) return fetchInto(wanted, { isText: true, replaces: null });
  const { store, file, options } = wanted;
  const { settings } = options;
  const impatient = { ...settings, retries: 0, stallTimeout: Math.min(5000, settings.stallTimeout) };
  const replaces = (await store.readJournal(file.url))?.file?.verifiedAt ?? null;
  try {
    return await fetchInto({ ...wanted, options: { ...options, settings: impatient } }, { isText: true, replaces });
  } catch (error) {
    if (MclipError.isInstance(error) && error.code === 'NETWORK') return true;
    throw error;
  }
}

async function fetchInto(wanted: Wanted, how: Pick<Download, 'isText' | 'replaces'>): Promise<boolean> {
  const [backend, network] = await Promise.all([wanted.store.forWriting(), wanted.network()]);
  return download({ ...wanted, backend, network, ...how });
}
