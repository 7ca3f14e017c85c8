/** The decoder alone, as fast as this machine runs it from JavaScript: in a worker, whose heap holds nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';

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
  const { hidden, layers, kvHeads, headDim } = decoder;
  const embeds = new Tensor('float32', new Float32Array(hidden).fill(0.02), [1, 1, hidden]);
  return async (start, tokens) => {
    let past = {};
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ['key', 'value']) {
        const values = new Float32Array(kvHeads * start * headDim).fill(0.01);
        past[`past_key_values.${layer}.${part}`] = new Tensor('float32', values, [1, kvHeads, start, headDim]);
      }
    }
    const ones = new BigInt64Array(start + tokens).fill(1n);
    const startedAt = performance.now();
    for (let step = 1; step <= tokens; step++) {
      const attention_mask = new Tensor('int64', ones.subarray(0, start + step), [1, start + step]);
      const outputs = await session.run({ inputs_embeds: embeds, attention_mask, ...past });
      past = {};
      for (const name of session.outputNames) {
        if (name !== 'logits') past[name.replace('present', 'past_key_values')] = outputs[name];
      }
    }
    return (tokens * 1000) / (performance.now() - startedAt);
  };
}
