import { type FetchedFile, type FetchOptions, modelStore, type TextOptions } from '@mclip/core/adapter';
import { webNetwork } from './network.js';
import { pageUrl } from './page-url.js';
import { openShelf } from './store/shelf.js';
import { ShelfReader } from './store/shelf-reader.js';

export const openStore = async () => new ShelfReader(await openShelf());

const store = /* @__PURE__ */ modelStore(openStore, webNetwork);
/** For what is part of the application itself: `blob:`, `data:`, the files of an extension. */
const passing = /* @__PURE__ */ modelStore(async () => {
  const { memoryShelf } = await import('./store/other-shelves.js');
  return new ShelfReader(memoryShelf());
}, webNetwork);

export function fetchFile(file: FetchedFile, options: FetchOptions) {
  const url = pageUrl(file.url); // Next.js gives files of packages without an origin
  return (/^https?:/.test(url) ? store : passing).fetchFile({ ...file, url }, options);
}

export function fetchText(url: string, options: TextOptions) {
  return store.fetchText(url, options);
}
