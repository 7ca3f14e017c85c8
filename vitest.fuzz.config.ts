import { defineConfig } from 'vitest/config';

/** Damaged inputs alone, `npm run fuzz`; `npm test` takes a sample of 2,000 along. */
export default defineConfig({ define: { MCLIP_VERSION: '"test"' }, test: { include: ['test/fuzz/*.test.ts'] } });
