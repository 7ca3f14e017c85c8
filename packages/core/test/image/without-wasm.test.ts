import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { picture, sha } from './picture.js';

vi.setConfig({ testTimeout: 60_000 }); // each test transforms the modules again

// each test loads its own copy of the modules: the kernel is looked for once
beforeEach(() => vi.resetModules());
afterEach(() => vi.unstubAllGlobals());

async function resizeFresh() {
  const { resize, resizeSimd } = await import('../../src/image/resize.js');
  const { resizeJob } = await import('../../src/image/resize-plan.js');
  const image = picture('noise', 90, 70, 4);
  const size = { width: 31, height: 23 };
  const plan = { size, window: { x: 0, y: 0, ...size }, interpolation: 'bicubic' } as const;
  const job = resizeJob({ ...image, channels: 3 }, plan);
  const simd = resizeSimd(job, { ...image, x: 0, y: 0, channels: 3 });
  return { simd, sha: sha(resize(image, 31, 23, 'bicubic').data) };
}

test.each([
  ['no WebAssembly', undefined],
  [
    'a policy without wasm-unsafe-eval, or no SIMD',
    {
      Module: class {
        constructor() {
          throw new WebAssembly.CompileError('refused');
        }
      },
    },
  ],
])('%s: the same bytes without the SIMD kernel', async (_, stub) => {
  const expected = await resizeFresh();
  expect(expected.simd).not.toBeNull();
  vi.resetModules();
  vi.stubGlobal('WebAssembly', stub);
  expect(await resizeFresh()).toEqual({ simd: null, sha: expected.sha });
});
