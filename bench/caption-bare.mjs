/** The decoder alone, as fast as this machine runs it from JavaScript: in a worker, whose heap holds nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decoderSteps } from './caption-loops.mjs';

/** @returns (past, tokens) => tokens per second, each step on the cache of the last, the first on one of `past` tokens */
export async function createBare(folder, dtype) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { folder, dtype } });
  worker.unref();
  return (past, tokens) =>
    new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', resolve);
      worker.postMessage({ past, tokens });
    });
}

if (!isMainThread && workerData?.dtype) {
  const run = await openDecoder(workerData);
  parentPort.on('message', async ({ past, tokens }) => parentPort.postMessage(await run(past, tokens)));
}

async function openDecoder({ folder, dtype }) {
  const { decoder, graphs } = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
  const session = await InferenceSession.create(join(folder, graphs.decoder.files[dtype].file), {
    logSeverityLevel: 3,
  });
  return decoderSteps(session, decoder, Tensor);
}
