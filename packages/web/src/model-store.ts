import { type FetchedFile, type FetchOptions, modelStore, type TextOptions } from '@mclip/core/adapter';
import { pageUrl } from './page-url.js';
import { openShelf } from './store/shelf.js';
import { ShelfReader } from './store/shelf-reader.js';

export const openStore = async () => new ShelfReader(await openShelf());

const network = () => import('./network.js').then((networks) => networks.webNetwork);

const store = /* @__PURE__ */ modelStore(openStore, network);
/** For what is part of the application itself: `blob:`, `data:`, the files of an extension. */
const passing = /* @__PURE__ */ modelStore(async () => {
  const shelves = await import('./store/other-shelves.js');
  return new ShelfReader(shelves.memoryShelf());
}, network);

export function fetchFile(file: FetchedFile, options: FetchOptions) {
  const url = pageUrl(file.url); // Next.js gives files of packages without an origin
  return (/^https?:/.test(url) ? store : passing).fetchFile({ ...file, url }, options);
}

export function fetchText(url: string, options: TextOptions) {
  return store.fetchText(url, options);
}
