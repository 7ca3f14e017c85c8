import { mclip } from '@mclip/web/vite';
import { defineConfig, type Plugin } from 'vite';
import { CONTENT_SECURITY_POLICY, ISOLATION } from './headers';

/** For hosts that cannot send headers. Not in development: Vite itself injects styles there. */
const policyInPage: Plugin = {
  name: 'policy-in-page',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: CONTENT_SECURITY_POLICY },
      injectTo: 'head-prepend',
    },
  ],
};

export default defineConfig({
  base: './',
  plugins: [mclip(), policyInPage],
  build: { assetsInlineLimit: 0 }, // the policy allows no data: in connect-src
  server: { headers: ISOLATION },
  preview: { headers: { ...ISOLATION, 'Content-Security-Policy': CONTENT_SECURITY_POLICY } },
});
