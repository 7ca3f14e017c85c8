/** The graphs alone, as fast as this machine runs them from JavaScript: in a worker, whose heap holds nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decoderSteps, decoderWhole } from './caption-loops.mjs';

/** @returns (past, tokens) => tokens per second, each step on the cache of the last, the first on one of `past` tokens */
export const createBare = (folder, dtype) => inWorker({ what: 'steps', folder, dtypes: { decoder: dtype } });

/** @returns (size, tokens) => milliseconds of the vision encoder at `size` pixels and of a prompt of `tokens` */
export const createBareFirst = (folder, dtypes) => inWorker({ what: 'first', folder, dtypes });

function inWorker(data) {
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  worker.unref();
  return (...args) =>
    new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', resolve);
      worker.postMessage(args);
    });
}

if (!isMainThread && workerData?.what) {
  const run = await (workerData.what === 'steps' ? openDecoder : openBoth)(workerData);
  parentPort.on('message', async (args) => parentPort.postMessage(await run(...args)));
}

function open({ folder, dtypes }, graph) {
  const { graphs } = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
  return InferenceSession.create(join(folder, graphs[graph].files[dtypes[graph]].file), { logSeverityLevel: 3 });
}

function decoderOf({ folder }) {
  return JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8')).decoder;
}

async function openDecoder(data) {
  return decoderSteps(await open(data, 'decoder'), decoderOf(data), Tensor);
}

async function openBoth(data) {
  const vision = await open(data, 'vision');
  const prefill = decoderWhole(await open(data, 'decoder'), decoderOf(data), Tensor);
  return async (size, tokens) => {
    const pixels = new Tensor('float32', new Float32Array(3 * size * size).fill(0.5), [1, 3, size, size]);
    const startedAt = performance.now();
    await vision.run({ [vision.inputNames[0]]: pixels });
    await prefill(tokens);
    return performance.now() - startedAt;
  };
}
