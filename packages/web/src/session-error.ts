/** What to say when onnxruntime makes no session. Loaded when that happens. */
import { MclipError } from '@mclip/core/adapter';
import { messageOf } from './lost-while-running.js';
import { WASM_FILES } from './runtime-settings.js';

export function importError(cause: unknown, device: string): MclipError {
  return new MclipError(
    'WORKER',
    `onnxruntime-web/${device} cannot be imported: ${messageOf(cause)}. Without a bundler, put it in the page's import map.`,
    { cause },
  );
}

/** @param wasm where its .wasm file was expected */
export function sessionError(cause: unknown, device: keyof typeof WASM_FILES, wasm: string | undefined): MclipError {
  const why = messageOf(cause);
  if (/no available backend|initWasm|wasm streaming compile|WebAssembly.*(fetch|compile|instantiate)/i.test(why)) {
    return new MclipError(
      'DEVICE_UNAVAILABLE',
      `onnxruntime's ${WASM_FILES[device]} did not start${wasm === undefined ? '' : ` from ${wasm}`}: ${why}. ` +
        "If it is not served, set wasmPaths to the folder it is in; a Content-Security-Policy needs 'wasm-unsafe-eval'.",
      { cause },
    );
  }
  if (cause instanceof RangeError || /bad_alloc|out of memory|allocation failed/i.test(why)) {
    return new MclipError('OUT_OF_MEMORY', `No memory for a session: ${why}`, { cause });
  }
  if (device === 'webgpu' && !/protobuf/i.test(why)) {
    return new MclipError('DEVICE_UNAVAILABLE', `Device 'webgpu' cannot run this model: ${why}`, { cause });
  }
  const advice = /external data/i.test(why) ? "; the manifest must list a graph's file of weights as its `data`" : '';
  return new MclipError('MODEL_CORRUPT', `onnxruntime cannot load this model: ${why}${advice}`, { cause });
}
