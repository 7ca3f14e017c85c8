/** What a run gives after its GPU was lost: onnxruntime may resolve with zeros, which nobody must see. */
import { expect, test } from 'vitest';
import { gpuGuard } from '../src/gpu.js';

type Env = Parameters<typeof gpuGuard>[0];

/** A GPU that can be lost, and the guard of its sessions. */
async function guarded() {
  let lose: (info: { reason: string; message: string }) => void = () => {};
  const lost = new Promise((resolve) => (lose = resolve));
  const env = { webgpu: { device: Promise.resolve({ lost }) } } as unknown as Env;
  const guard = await gpuGuard(env, (why, cause) => new Error(`lost: ${why}`, { cause }));
  return { guard, lose };
}

test('a result that comes from a GPU that works is given out', async () => {
  const { guard } = await guarded();
  expect(await guard(async () => 7)).toBe(7);
});

test('a result that comes after the GPU was lost is an error, and so is every run after it', async () => {
  const { guard, lose } = await guarded();
  const zeros = async () => {
    lose({ reason: 'unknown', message: 'the driver restarted' });
    await null;
    return new Float32Array(4);
  };
  await expect(guard(zeros)).rejects.toThrow('lost: the driver restarted');
  let ran = false;
  const later = guard(async () => {
    ran = true;
  });
  await expect(later).rejects.toThrow('lost: the driver restarted');
  expect(ran).toBe(false);
});

test('a run that fails is the GPU’s failure, with its cause', async () => {
  const { guard } = await guarded();
  const cause = new Error('no memory');
  const failing = guard(async () => {
    throw cause;
  });
  await expect(failing).rejects.toMatchObject({ message: 'lost: Error: no memory', cause });
});
