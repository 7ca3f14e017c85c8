/** What is particular to sessions on WebGPU. Loaded with the first. */
import { MclipError } from '@mclip/core/adapter';
import { type Guard, lostWhileRunning, messageOf } from './lost-while-running.js';

/** @throws {MclipError} `DEVICE_UNAVAILABLE` */
export async function checkAdapter(): Promise<void> {
  // WebGPU's types are not in TypeScript's DOM library
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  const why = gpu === undefined ? 'this browser (or this insecure page) has no WebGPU' : 'there is no GPU adapter';
  if (!(await gpu?.requestAdapter().catch(() => null))) {
    throw new MclipError('DEVICE_UNAVAILABLE', `device 'webgpu' cannot be used: ${why}. Choose 'auto' or 'wasm'.`);
  }
}

/** Fails runs that gave a result, too: what is read from a lost GPU may be zeros. */
export async function gpuGuard(env: typeof import('onnxruntime-web/webgpu').env): Promise<Guard> {
  let lost: string | null = null;
  const { lost: loss } = (await env.webgpu.device) as { lost: Promise<{ reason: string; message: string }> };
  loss.then(({ reason, message }) => {
    lost = message || reason;
  });
  return async (run) => {
    if (lost !== null) throw lostWhileRunning('webgpu', lost);
    const result = await run().catch((cause) => {
      throw lostWhileRunning('webgpu', lost ?? messageOf(cause), cause);
    });
    if (lost !== null) throw lostWhileRunning('webgpu', lost);
    return result;
  };
}
