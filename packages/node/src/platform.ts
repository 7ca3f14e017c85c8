/** The caller's half on Node.js: where models and workers come from. Nothing here loads onnxruntime or sharp. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Platform } from '@mclip/core/adapter';
import { readEmbeddings, writeEmbeddings } from './embedding-store.js';
import { portableImage } from './image-source.js';
import { fetchFile, fetchText } from './model-store.js';
import { workerPort } from './worker-port.js';

/** More threads than this do not make these small networks faster. */
const MOST_THREADS = 8;

export const nodePlatform: Platform = {
  autoDevices: () => ['cpu'],
  supportedDevices: ['cpu', 'cuda', 'coreml', 'dml', 'webgpu'],
  deviceFacts: async () => ({
    identity: [process.platform, process.arch, release(), cpus()[0]?.model].join(' '),
    half: true,
    unfit: null,
    memoryBytes: totalmem(),
  }),
  threads: (_device, { numThreads }) => ({
    count: numThreads ?? Math.min(availableParallelism(), MOST_THREADS),
    limitedBy: null,
  }),
  runtimeSettings: ({ maxPixels }) => ({ maxPixels }),
  loadRuntime: async () => (await import('./runtime.js')).nodeRuntime,
  hasWorkers: () => true,
  // without the process' own flags: some (--input-type) stop a worker from starting
  startWorker: (_settings, task) =>
    workerPort(new Worker(new URL(`./${task}-worker.js`, import.meta.url), { execArgv: [] })),
  localModelUrl,
  fetchText,
  fetchFile,
  portableImage,
  openFrames: async (video) => (await import('./frames.js')).openFrames(video),
  readEmbeddings,
  writeEmbeddings,
};

/** './x', '../x', absolute paths, 'C:\x' and file: URLs are folders. */
function localModelUrl(model: string): string | null {
  const path = model.startsWith('file:') ? fileURLToPath(model) : model;
  const isFolder = model.startsWith('file:') || /^(\.{1,2}$|\.{1,2}[/\\]|[/\\]|[a-zA-Z]:[/\\])/.test(path);
  return isFolder ? `${pathToFileURL(resolve(path)).href}/` : null;
}
