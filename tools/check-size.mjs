/**
 * Size of mclip's own code in a page that classifies, as one minified and gzipped bundle: calling thread and worker's
 * work together. Left out: onnxruntime, the tokenizer with its vocabulary (fetched only when text must be encoded), and
 * what only `watch` and `templates: 'openai-80'` load.
 */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LIMIT = 25_000;
const LATER = /(clip-tokenizer|bundled-clip-vocabulary|templates|watch|frames)(-\w+)?\.js$/;

const { outputFiles } = await build({
  stdin: {
    contents: "export { createClassifier } from '@mclip/web';",
    resolveDir: new URL('../bench', import.meta.url).pathname,
  },
  bundle: true,
  format: 'esm',
  minify: true,
  write: false,
  external: ['onnxruntime-common', 'onnxruntime-web', 'onnxruntime-web/*'],
  plugins: [
    {
      name: 'leave out what comes later',
      setup({ onResolve }) {
        onResolve({ filter: LATER }, ({ path, kind }) => (kind === 'dynamic-import' ? { path, external: true } : null));
      },
    },
  ],
});
const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length;
console.log(`@mclip/web, classification: ${bytes} bytes min+gz, of ${LIMIT} at most`);
if (bytes > LIMIT) process.exit(1);
