/** The computing half on Node.js: sessions on onnxruntime-node. */
import { MclipError } from '@mclip/core';
import type { ModelFile, Runtime, Session, SessionOptions } from '@mclip/core/adapter';
import { InferenceSession } from 'onnxruntime-node';
import { decodeImage } from './decode-image.js';
import { openFile } from './open-file.js';

export const nodeRuntime: Runtime = { createSession, openFile, decodeImage };

async function createSession(file: ModelFile, { device, numThreads, lean = false }: SessionOptions): Promise<Session> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: [device],
    graphOptimizationLevel: lean ? 'extended' : 'all', // 'all' keeps a second copy of weights, in blocks of channels
    enableMemPattern: false, // remembers the memory of each shape of input: captions have many, and gain no time
    intraOpNumThreads: numThreads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  };
  try {
    const session = await InferenceSession.create(file as string, options);
    return device === 'cpu' ? session : guarded(session, device);
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

/** Whatever goes wrong on a GPU while it runs is the GPU's failure. */
function guarded(session: InferenceSession, device: string): Session {
  const { inputNames, outputNames, inputMetadata } = session;
  const run = (...args: Parameters<Session['run']>) =>
    session.run(...args).catch((cause: Error) => {
      throw new MclipError('DEVICE_LOST', `Device '${device}' failed while running: ${cause.message}`, { cause });
    });
  return { inputNames, outputNames, inputMetadata, run: run as Session['run'], release: () => session.release() };
}
