/** The computing half on Node.js: sessions on onnxruntime-node. */
import { MclipError } from '@mclip/core';
import type { ModelFile, Runtime, SessionOptions } from '@mclip/core/adapter';
import { InferenceSession } from 'onnxruntime-node';
import { decodeImage } from './decode-image.js';
import { openFile } from './open-file.js';

export const nodeRuntime: Runtime = { createSession, openFile, decodeImage };

async function createSession(
  file: ModelFile,
  { device, numThreads, lean = false }: SessionOptions,
): Promise<InferenceSession> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: [device],
    graphOptimizationLevel: lean ? 'extended' : 'all', // 'all' keeps a second copy of weights, in blocks of channels
    enableMemPattern: false, // remembers the memory of each shape of input: captions have many, and gain no time
    intraOpNumThreads: numThreads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  };
  try {
    return await InferenceSession.create(file as string, options);
  } catch (cause) {
    const message = (cause as Error).message;
    if (/bad_alloc|memory/i.test(message)) {
      throw new MclipError('OUT_OF_MEMORY', `No memory for a session of ${file}: ${message}`, { cause });
    }
    if (device !== 'cpu') {
      throw new MclipError('DEVICE_UNAVAILABLE', `Device '${device}' cannot run ${file}: ${message}`, { cause });
    }
    throw new MclipError('MODEL_CORRUPT', `onnxruntime cannot load ${file}: ${message}`, { cause });
  }
}
