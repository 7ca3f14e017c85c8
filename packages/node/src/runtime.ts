/** The computing half on Node.js: sessions on onnxruntime-node. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { MclipError } from '@mclip/core';
import { inFastestForm, type ModelFile, type Runtime, type Session, type SessionOptions } from '@mclip/core/adapter';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decodeImage } from './decode-image.js';
import { detachedGraph } from './detached-graph.js';
import { bytesAsFile, openFile } from './open-file.js';

export const nodeRuntime: Runtime = { createSession, openFile, decodeImage, OutputTensor: Tensor };

const FOLDER_OF_WEIGHTS = 'model_external_initializers_file_folder_path';
const UNLISTED = ". A file with a graph's weights lies beside it and is in the manifest as the graph's `data`.";

async function createSession(file: ModelFile, wanted: SessionOptions): Promise<Session> {
  const { device, numThreads, lean = false } = wanted;
  const options: InferenceSession.SessionOptions = {
    executionProviders: [device],
    graphOptimizationLevel: lean ? 'extended' : 'all', // 'all' keeps a second copy of weights, in blocks of channels
    enableMemPattern: false, // remembers the memory of each shape of input: captions have many, and gain no time
    intraOpNumThreads: numThreads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  };
  const path = file as string;
  try {
    const detached = device === 'cpu' ? await detachedGraph(path) : null;
    const fromFile = () => InferenceSession.create(path, options);
    const fromGraph = (graph: Uint8Array, weights: InferenceSession.SessionOptions) =>
      InferenceSession.create(graph, { ...options, ...weights });
    const inFile = detached && { extra: { session: { [FOLDER_OF_WEIGHTS]: detached.folder } } };
    const session = (await inFastestForm(
      wanted,
      async () => (detached ? bytesAsFile(detached.graph) : openFile(path)),
      async (widened) => {
        if (detached) return fromGraph(widened?.graph ?? detached.graph, inFile!);
        if (widened === null) return fromFile();
        // a graph from memory has no folder to look for its weights in
        const externalData = await Promise.all(widened.externalFiles.map((name) => externalWeights(path, name)));
        return fromGraph(widened.graph, { externalData });
      },
    )) as InferenceSession;
    return device === 'cpu' ? session : guarded(session, device);
  } catch (cause) {
    if (MclipError.isInstance(cause)) throw cause;
    const message = (cause as Error).message;
    if (/bad_alloc|(out of|enough|no) memory|allocat/i.test(message)) {
      throw new MclipError('OUT_OF_MEMORY', `No memory for a session of ${file}: ${message}`, { cause });
    }
    if (device !== 'cpu') {
      throw new MclipError('DEVICE_UNAVAILABLE', `Device '${device}' cannot run ${file}: ${message}`, { cause });
    }
    const advice = /external data/i.test(message) ? UNLISTED : '';
    throw new MclipError('MODEL_CORRUPT', `onnxruntime cannot load ${file}: ${message}${advice}`, { cause });
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

async function externalWeights(graph: string, file: string): Promise<{ path: string; data: Uint8Array }> {
  const folder = dirname(resolve(graph));
  const path = resolve(folder, file);
  if (!path.startsWith(folder + sep)) {
    throw new MclipError('MODEL_CORRUPT', `${graph} names weights outside of its folder: ${file}.`);
  }
  return {
    path: file,
    data: await readFile(path).catch((cause) => {
      if (cause.code === 'ERR_FS_FILE_TOO_LARGE') throw cause; // onnxruntime itself can take it
      throw new MclipError('MODEL_CORRUPT', `The weights of ${graph} cannot be read: ${(cause as Error).message}.`, {
        cause,
      });
    }),
  };
}
