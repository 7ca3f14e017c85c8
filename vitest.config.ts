import { defineConfig } from 'vitest/config';

export default defineConfig({
  define: { MCLIP_VERSION: '"test"' }, // the build puts in that of @mclip/core
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/*.test.ts', 'test/fuzz/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
