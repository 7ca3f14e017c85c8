/**
 * Size of mclip's own code in a page that classifies, and in one that captions too, as one minified and gzipped bundle:
 * calling thread and worker's work together. Left out: onnxruntime, the tokenizers with their vocabulary and tables
 * (fetched when text must be encoded), and what only `watch` and `templates: 'openai-80'` load.
 */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LATER = /(clip-tokenizer|qwen2-tokenizer|bundled-clip-vocabulary|templates|watch|frames)(-\w+)?\.js$/;

await check('classification', 'createClassifier', 25_000);
await check('classification and captions', 'createClassifier, createCaptioner', 40_000);

async function check(what, names, limit) {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${names} } from '@mclip/web';`,
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
          onResolve({ filter: LATER }, ({ path, kind }) =>
            kind === 'dynamic-import' ? { path, external: true } : null,
          );
        },
      },
    ],
  });
  const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  console.log(`@mclip/web, ${what}: ${bytes} bytes min+gz, of ${limit} at most`);
  if (bytes > limit) process.exitCode = 1;
}
