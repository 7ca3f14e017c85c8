import { mclip } from '@mclip/web/vite';
import { defineConfig } from 'vite';

/** With these the browser allows threads. Without them everything works on one. */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  base: './',
  plugins: [mclip()],
  server: { headers: ISOLATION },
  preview: { headers: ISOLATION },
});
