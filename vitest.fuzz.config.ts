import { defineConfig } from 'vitest/config';

/** Damaged inputs, `npm run fuzz`. */
export default defineConfig({ define: { MCLIP_VERSION: '"test"' }, test: { include: ['test/fuzz/*.test.ts'] } });
