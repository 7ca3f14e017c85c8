/** What it means that onnxruntime makes no session. Loaded when it does not. */
import type { MclipErrorCode } from '@mclip/core';

export function importError(cause: unknown, device: string): string {
  return `onnxruntime-web/${device} cannot be imported: ${reason(cause)}. Without a bundler, put it in the page's import map.`;
}

/**
 * @param file onnxruntime's own, for the device
 * @param url where it was looked for, if that was said
 */
export function sessionError(
  cause: unknown,
  device: string,
  file: string,
  url: string | undefined,
): [MclipErrorCode, message: string] {
  const why = reason(cause);
  if (/no available backend|initWasm|wasm streaming compile|WebAssembly.*(fetch|compile|instantiate)/i.test(why)) {
    return [
      'DEVICE_UNAVAILABLE',
      `onnxruntime's ${file} did not start${url === undefined ? '' : ` from ${url}`}: ${why}. ` +
        "If it is not served, set wasmPaths to the folder it is in; a Content-Security-Policy needs 'wasm-unsafe-eval'.",
    ];
  }
  if (cause instanceof RangeError || /bad_alloc|out of memory|allocation failed/i.test(why)) {
    return ['OUT_OF_MEMORY', `No memory for a session: ${why}`];
  }
  if (device === 'webgpu' && !/protobuf/i.test(why)) {
    return ['DEVICE_UNAVAILABLE', `Device 'webgpu' cannot run this model: ${why}`];
  }
  const advice = /external data/i.test(why) ? "; the manifest must list a graph's file of weights as its `data`" : '';
  return ['MODEL_CORRUPT', `onnxruntime cannot load this model: ${why}${advice}`];
}

const reason = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));
