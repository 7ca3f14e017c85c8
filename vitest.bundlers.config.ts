import { defineConfig } from 'vitest/config';

/** The packed packages in every bundler; installs them from the registry, so it is not part of `npm test`. */
export default defineConfig({ test: { include: ['test/bundlers/**/*.test.ts'], testTimeout: 300_000 } });
