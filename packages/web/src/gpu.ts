/** What is particular to sessions on WebGPU. Loaded with the first. */

/** Around each run of a session. */
export type Guard = <T>(run: () => Promise<T>) => Promise<T>;

/** Why there is no WebGPU; null: there is. */
export async function whyNoGpu(): Promise<string | null> {
  // WebGPU's types are not in TypeScript's DOM library
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  if (gpu === undefined) return 'this browser (or this insecure page) has no WebGPU';
  return (await gpu.requestAdapter().catch(() => null)) ? null : 'there is no GPU adapter';
}

/**
 * Fails runs that gave a result, too: what is read from a lost GPU may be zeros.
 *
 * @param failure of a run: why, a message or what was thrown
 */
export async function gpuGuard(
  env: typeof import('onnxruntime-web/webgpu').env,
  failure: (why: unknown, cause?: unknown) => Error,
): Promise<Guard> {
  let lost: string | null = null;
  const { lost: loss } = (await env.webgpu.device) as { lost: Promise<{ reason: string; message: string }> };
  loss.then(({ reason, message }) => {
    lost = message || reason;
  });
  return async (run) => {
    if (lost !== null) throw failure(lost);
    const result = await run().catch((cause) => {
      throw failure(lost ?? cause, cause);
    });
    if (lost !== null) throw failure(lost);
    return result;
  };
}
