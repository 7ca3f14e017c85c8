/**
 * Size of mclip's own code in a page that classifies, and in one that captions too, as one minified and gzipped bundle:
 * calling thread and worker's work together. Left out: onnxruntime, the tokenizers with their vocabulary and tables
 * (fetched when text must be encoded), what only `watch`, `templates: 'openai-80'`, SVG, models of the hub, transparent
 * or turned pictures, files that do not decode and browsers without WebAssembly SIMD or WebCodecs load, and what is
 * needed only while a model is downloaded, loaded or restarted, which has rows of its own.
 */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LATER =
  /(clip-tokenizer|qwen2-tokenizer|bundled-clip-vocabulary|templates|watch|frames|svg|scalar|undecodable|canvas-reader|hub|download|request|shelf-backend|other-shelves|storage-error|sha256|clip-graphs|benchmark|place-vlm|run-again|canary|vlm-canary|device-facts|create-widened)(-\w+)?\.js$/;

await check('classification', 'createClassifier', 25_000);
await check('classification and captions', 'createClassifier, createCaptioner', 40_000);

await report('downloading: resume, retries, locks', [
  'core/src/store/download',
  'web/src/store/shelf-backend',
  'web/src/store/other-shelves',
]);
await report('their SHA-256', ['web/src/store/sha256']);
await report('loading: files to graphs, devices, self-check, restarts', [
  'core/src/clip/clip-graphs',
  'core/src/model/run-again',
  'web/src/device-facts',
]);
await report('half-precision files', ['core/src/onnx/create-widened']);

/** Without a limit: loaded once, beside megabytes of a model. */
async function report(what, files) {
  const { outputFiles } = await build({
    stdin: {
      contents: files.map((file) => `export * from './packages/${file}.ts';`).join('\n'),
      resolveDir: new URL('..', import.meta.url).pathname,
    },
    define: { MCLIP_VERSION: '""' },
    bundle: true,
    format: 'esm',
    minify: true,
    write: false,
    external: ['./sha256.js'],
  });
  console.log(`@mclip/web, ${what}: ${gzipSync(outputFiles[0].contents, { level: 9 }).length} bytes min+gz`);
}

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
