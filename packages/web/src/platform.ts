/** The caller's half in browsers: where models and workers come from. Nothing here loads onnxruntime. */
import type { Platform } from '@mclip/core/adapter';
import { deviceFacts } from './device-facts.js';
import { readEmbeddings, writeEmbeddings } from './embedding-store.js';
import { portableImage } from './image-source.js';
import { fetchFile, fetchText } from './model-store.js';
import { pageUrl } from './page-url.js';
import { runtimeSettings } from './runtime-settings.js';
import { startWorker } from './worker-port.js';

/** More threads than this do not make these small networks faster. */
const MOST_THREADS = 8;

const NOT_ISOLATED = 'one thread: this page is not cross-origin isolated (COOP/COEP headers)';

const NO_WORKERS = 'on this one thread: there are no workers here (a service worker starts none)';

const hasWorkers = () => typeof Worker === 'function';

export const webPlatform: Platform = {
  autoDevices: () => ['webgpu', 'wasm'],
  supportedDevices: ['wasm', 'webgpu'],
  threads(_device, { numThreads = Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) }) {
    if (!hasWorkers()) return { count: 1, limitedBy: NO_WORKERS };
    if (globalThis.crossOriginIsolated || numThreads === 1) return { count: numThreads, limitedBy: null };
    return { count: 1, limitedBy: NOT_ISOLATED };
  },
  deviceFacts,
  runtimeSettings,
  loadRuntime: (settings) => import('./runtime.js').then((runtime) => runtime.webRuntime(settings)),
  hasWorkers,
  startWorker,
  localModelUrl,
  fetchText,
  fetchFile,
  portableImage,
  openFrames: (video) => import('./frames.js').then((frames) => frames.openFrames(video)),
  readEmbeddings,
  writeEmbeddings,
};

/** './x', '../x' and '/x' are folders of this site. */
function localModelUrl(model: string): string | null {
  if (!/^(\.{1,2}$|\.{0,2}\/)/.test(model)) return null;
  return pageUrl(model.endsWith('/') ? model : `${model}/`);
}
