/** Of this package; put in by the build (tsup.config.ts, vitest.config.ts). */
declare const MCLIP_VERSION: string;
export const VERSION = MCLIP_VERSION;
