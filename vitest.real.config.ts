import { defineConfig } from 'vitest/config';

/** Real architectures at real size; their models are made by tools/real. */
export default defineConfig({
  test: {
    include: ['tools/real/test/**/*.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
});
