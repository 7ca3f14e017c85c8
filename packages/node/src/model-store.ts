import type { Settings } from '@mclip/core';
import { type FetchedFile, type FetchOptions, modelStore, type TextOptions } from '@mclip/core/adapter';
import { cacheDir } from './cache-dir.js';
import { localFile, localText } from './local-file.js';
import { nodeNetwork } from './network.js';
import { FileBackend } from './store/file-backend.js';

export const openStore = (settings: Settings) => new FileBackend(cacheDir(settings));

const store = /* @__PURE__ */ modelStore(openStore, async () => nodeNetwork);

export function fetchText(url: string, options: TextOptions): Promise<string | null> {
  return url.startsWith('file:') ? localText(url) : store.fetchText(url, options);
}

export async function fetchFile(file: FetchedFile, options: FetchOptions) {
  return file.url.startsWith('file:') ? localFile(file, options) : store.fetchFile(file, options);
}
