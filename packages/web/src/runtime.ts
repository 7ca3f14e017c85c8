/** The computing half in browsers: sessions on onnxruntime-web. Its plain wasm build unless WebGPU is asked for. */
// not from '@mclip/core': the worker would carry all of it
import {
  inSinglePrecision,
  MclipError,
  type ModelFile,
  type Runtime,
  type RuntimeSettings,
  type Session,
  type SessionOptions,
} from '@mclip/core/adapter';
import { decodeImage } from './decode-image.js';
import { type Guard, lostWhileRunning, messageOf } from './lost-while-running.js';
import { isSplit, openFile } from './open-file.js';
import { WASM_FILES } from './runtime-settings.js';

type WebDevice = keyof typeof WASM_FILES;
type Onnxruntime = typeof import('onnxruntime-web/wasm');

export function webRuntime(settings: RuntimeSettings): Runtime {
  return { createSession: (file, options) => createSession(file, options, settings), openFile, decodeImage };
}

let lastCall: Promise<unknown> = Promise.resolve();

/**
 * Calls of onnxruntime one after the other, whatever model they are for: its WebGPU build waits for the GPU inside of a
 * call, and another call meanwhile corrupts its memory.
 */
function inTurn<T>(call: () => Promise<T>): Promise<T> {
  const result = lastCall.then(call);
  lastCall = result.catch(() => {});
  return result;
}

async function createSession(file: ModelFile, options: SessionOptions, settings: RuntimeSettings): Promise<Session> {
  const device = options.device as WebDevice;
  const gpu = device === 'webgpu' ? await import('./gpu.js') : null;
  await gpu?.checkAdapter();
  const { env, InferenceSession } = await importOnnxruntime(device, settings);
  const wasm = settings.wasmUrls?.[WASM_FILES[device]];
  if (wasm !== undefined) env.wasm.wasmPaths = { wasm };
  env.wasm.numThreads = options.numThreads; // counts until this thread's first session: onnxruntime starts once
  const onGpu =
    device === 'webgpu' ? (options.keepOnDevice ?? []).map((output) => [output, 'gpu-buffer'] as const) : [];
  try {
    const session = await inSinglePrecision(
      options,
      () => openFile(file),
      async (widened) => {
        const bytes = widened === null ? await bytesOf(file) : widened.graph;
        return inTurn(() =>
          InferenceSession.create(bytes, {
            executionProviders: [device],
            graphOptimizationLevel: 'all',
            logSeverityLevel: 3,
            ...(isSplit(file) && { externalData: [file] }),
            ...(onGpu.length > 0 && { preferredOutputLocation: Object.fromEntries(onGpu) }),
          }),
        );
      },
    );
    const { inputNames, outputNames, inputMetadata } = session;
    const guard = gpu ? await gpu.gpuGuard(env) : wasmGuard;
    return {
      inputNames,
      outputNames,
      inputMetadata,
      run: ((...args: Parameters<Session['run']>) => inTurn(() => guard(() => session.run(...args)))) as Session['run'],
      release: () => inTurn(() => session.release()),
    };
  } catch (cause) {
    if (MclipError.isInstance(cause)) throw cause;
    const errors = await import('./session-error.js');
    throw errors.sessionError(cause, device, wasm);
  }
}

/** onnxruntime may stop inside of a run, for good: a bug, or no memory. */
const wasmGuard: Guard = (run) =>
  run().catch((cause) => {
    const stopped = cause instanceof WebAssembly.RuntimeError || /bad_alloc|out of memory/i.test(messageOf(cause));
    throw stopped ? lostWhileRunning('wasm', messageOf(cause), cause) : cause;
  });

async function bytesOf(file: ModelFile): Promise<Uint8Array> {
  if (isSplit(file)) return bytesOf(file.graph);
  return file instanceof Uint8Array ? file : new Uint8Array(await (file as Blob).arrayBuffer());
}

async function importOnnxruntime(device: WebDevice, settings: RuntimeSettings): Promise<Onnxruntime> {
  try {
    // written out, so that bundlers see both and split them
    return await (device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
  } catch (cause) {
    const url = settings.moduleUrls?.[device];
    if (url !== undefined) return import(/* @vite-ignore */ /* webpackIgnore: true */ url);
    const errors = await import('./session-error.js');
    throw errors.importError(cause, device);
  }
}
