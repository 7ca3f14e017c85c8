/**
 * Model files where they were stored before, or from the network. What a warm start needs is here; downloading is
 * imported when something must be fetched.
 */
import type { ResolvedSettings } from '../configure.js';
import type { Platform } from '../platform.js';
import type { StoreReader } from './backend.js';
import type { Network } from './request.js';
import { storedBytes } from './stored.js';

/** A URL below a commit of the hub: what it gives cannot change. */
const PINNED = /\/[0-9a-f]{40}(\/|\?|$)/;

export type OpenStore = (settings: ResolvedSettings) => StoreReader | Promise<StoreReader>;

/** @param network for what must be fetched */
export function modelStore(
  openStore: OpenStore,
  network: () => Promise<Network>,
): Pick<Platform, 'fetchText' | 'fetchFile'> {
  return {
    async fetchFile(file, options) {
      const store = await openStore(options.settings);
      const bytes = await storedBytes(store, file, options.signal);
      if (bytes !== null) options.onBytes?.(bytes, bytes);
      else {
        const missing = await import('./fetch-into.js');
        await missing.fetchFile({ store, network, file, options });
      }
      return store.open(file.url);
    },

    async fetchText(url, options) {
      const { settings, signal, bytes = null, sha256 = null, model, keep = false } = options;
      const store = await openStore(settings);
      const file = { url, bytes, sha256, ...(model !== undefined && { model }) };
      const isStored = (await storedBytes(store, file, signal)) !== null;
      if (isStored && (settings.offline || keep || sha256 !== null || PINNED.test(url))) return store.readText(url);
      const missing = await import('./fetch-into.js');
      return (await missing.fetchText({ store, network, file, options }, isStored)) ? store.readText(url) : null;
    },
  };
}
