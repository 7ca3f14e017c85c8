/** The computing half in browsers: sessions on onnxruntime-web. Its plain wasm build unless WebGPU is asked for. */
// not from '@mclip/core': the worker would carry all of it
import {
  inFastestForm,
  MclipError,
  type ModelFile,
  type Runtime,
  type RuntimeSettings,
  type Session,
  type SessionOptions,
} from '@mclip/core/adapter';
import { decodeImage } from './decode-image.js';
import type { Guard } from './gpu.js';
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
  const why = await gpu?.whyNoGpu();
  if (why)
    throw new MclipError('DEVICE_UNAVAILABLE', `device 'webgpu' cannot be used: ${why}. Choose 'auto' or 'wasm'.`);
  const { env, InferenceSession } = await importOnnxruntime(device, settings);
  const wasm = settings.wasmUrls?.[WASM_FILES[device]];
  if (wasm !== undefined) env.wasm.wasmPaths = { wasm };
  env.wasm.numThreads = options.numThreads; // counts until this thread's first session: onnxruntime starts once
  const onGpu =
    device === 'webgpu' ? (options.keepOnDevice ?? []).map((output) => [output, 'gpu-buffer'] as const) : [];
  try {
    const session = await inFastestForm(
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
    const failure = (why: unknown, cause?: unknown) =>
      new MclipError('DEVICE_LOST', `Device '${device}' was lost while running: ${messageOf(why)}`, { cause });
    const guard: Guard = gpu
      ? await gpu.gpuGuard(env, failure)
      : (run) =>
          run().catch((cause) => {
            throw hasStopped(cause) ? failure(cause, cause) : cause;
          });
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
    throw new MclipError(...errors.sessionError(cause, device, WASM_FILES[device], wasm), { cause });
  }
}

/** onnxruntime may stop inside of a run, for good: a bug, or no memory. */
const hasStopped = (cause: unknown) =>
  cause instanceof WebAssembly.RuntimeError || /bad_alloc|out of memory/i.test(messageOf(cause));

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

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
    throw new MclipError('WORKER', errors.importError(cause, device), { cause });
  }
}
