/** What a worker is told: plain data, with every URL made absolute, since a worker's base URL is its own script. */
import type { ResolvedSettings, RuntimeSettings } from '@mclip/core/adapter';
import { pageUrl } from './page-url.js';

/** onnxruntime's own files, by device. */
export const WASM_FILES = {
  wasm: 'ort-wasm-simd-threaded.wasm',
  webgpu: 'ort-wasm-simd-threaded.asyncify.wasm',
} as const;

export function runtimeSettings({ maxPixels, wasmPaths }: ResolvedSettings): RuntimeSettings {
  return {
    maxPixels,
    ...(wasmPaths !== undefined && { wasmUrls: wasmUrls(wasmPaths) }),
    moduleUrls: moduleUrls(),
  };
}

/** From a folder, or from one URL per file name. */
function wasmUrls(wasmPaths: string | Record<string, string>): Record<string, string> {
  if (typeof wasmPaths === 'object') {
    return Object.fromEntries(Object.entries(wasmPaths).map(([file, url]) => [file, pageUrl(url)]));
  }
  const folder = pageUrl(wasmPaths.endsWith('/') ? wasmPaths : `${wasmPaths}/`);
  return Object.fromEntries(Object.values(WASM_FILES).map((file) => [file, folder + file]));
}

/** Import maps hold for the page only, so their answers are sent along. With a bundler there is none, and no need. */
function moduleUrls(): Record<string, string> {
  const urls: Record<string, string> = {};
  for (const device of ['wasm', 'webgpu']) {
    try {
      urls[device] = import.meta.resolve(`onnxruntime-web/${device}`);
    } catch {
      // not in an import map
    }
  }
  return urls;
}
