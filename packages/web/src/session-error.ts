/** What it means that onnxruntime makes no session. Imported when it does not. */
import { MclipError } from '@mclip/core/adapter';
import { WASM_FILES } from './runtime-settings.js';

/** @param wasm where it was looked for, if that was said */
export function sessionError(cause: unknown, device: keyof typeof WASM_FILES, wasm: string | undefined): MclipError {
  const why = cause instanceof Error ? cause.message : String(cause);
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
