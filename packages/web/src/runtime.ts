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
  if (device === 'webgpu') await checkAdapter();
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
    const guard = await lossGuard(device, env);
    return {
      inputNames,
      outputNames,
      inputMetadata,
      run: ((...args: Parameters<Session['run']>) => inTurn(() => guard(() => session.run(...args)))) as Session['run'],
      release: () => inTurn(() => session.release()),
    };
  } catch (cause) {
    if (MclipError.isInstance(cause)) throw cause;
    throw (await import('./session-error.js')).sessionError(cause, device, wasm);
  }
}

/**
 * Runs that ended with the device, or with onnxruntime itself, become `DEVICE_LOST`: also those that gave a result, since
 * what is read from a lost GPU may be zeros.
 */
async function lossGuard(device: WebDevice, env: Onnxruntime['env']) {
  let lost: string | null = null;
  if (device === 'webgpu') {
    const gpu = (await env.webgpu.device) as { lost: Promise<{ reason: string; message: string }> };
    gpu.lost.then(({ reason, message }) => {
      lost = message || reason;
    });
  }
  const failed = (why: string, cause?: unknown) =>
    new MclipError('DEVICE_LOST', `Device '${device}' was lost while running: ${why}`, { cause });
  return async <T>(run: () => Promise<T>): Promise<T> => {
    if (lost !== null) throw failed(lost);
    const result = await run().catch((cause) => {
      const stopped = cause instanceof WebAssembly.RuntimeError || /bad_alloc|out of memory/i.test(message(cause));
      if (device === 'webgpu' || stopped) throw failed(lost ?? message(cause), cause);
      throw cause;
    });
    if (lost !== null) throw failed(lost);
    return result;
  };
}

async function bytesOf(file: ModelFile): Promise<Uint8Array> {
  if (isSplit(file)) return bytesOf(file.graph);
  return file instanceof Uint8Array ? file : new Uint8Array(await (file as Blob).arrayBuffer());
}

async function checkAdapter(): Promise<void> {
  // WebGPU's types are not in TypeScript's DOM library
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  const why = gpu === undefined ? 'this browser (or this insecure page) has no WebGPU' : 'there is no GPU adapter';
  if (!(await gpu?.requestAdapter().catch(() => null))) {
    throw new MclipError('DEVICE_UNAVAILABLE', `device 'webgpu' cannot be used: ${why}. Choose 'auto' or 'wasm'.`);
  }
}

async function importOnnxruntime(device: WebDevice, settings: RuntimeSettings): Promise<Onnxruntime> {
  try {
    // written out, so that bundlers see both and split them
    return await (device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'));
  } catch (cause) {
    const url = settings.moduleUrls?.[device];
    if (url !== undefined) return import(/* @vite-ignore */ /* webpackIgnore: true */ url);
    throw new MclipError(
      'WORKER',
      `onnxruntime-web/${device} cannot be imported: ${message(cause)}. Without a bundler, put it in the page's import map.`,
      { cause },
    );
  }
}

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));
