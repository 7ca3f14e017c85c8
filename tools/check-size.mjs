/**
 * Size of a web application's share of mclip: everything that `createClassifier` can load, minified and gzipped, without
 * onnxruntime and without the tokenizer with its vocabulary (which are fetched only when text must be encoded).
 */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LIMIT = 25_000;
const TEXT = /bpe|clip-tokenizer|clip-vocabulary|html-entities|fix-text|unicode/;

const { metafile, outputFiles } = await build({
  stdin: {
    contents: "import { createClassifier } from '@mclip/web'; globalThis.create = createClassifier;",
    resolveDir: new URL('../bench', import.meta.url).pathname,
  },
  bundle: true,
  splitting: true,
  format: 'esm',
  minify: true,
  write: false,
  metafile: true,
  outdir: 'out',
  external: ['onnxruntime-common', 'onnxruntime-web', 'onnxruntime-web/*'],
});

let total = 0;
const root = process.cwd();
const { default: path } = await import('node:path');
for (const { path: file, contents } of outputFiles) {
  const name = path.relative(root, file);
  const inputs = Object.entries(metafile.outputs[name]?.inputs ?? {}).sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput);
  const bytes = gzipSync(contents, { level: 9 }).length;
  const isText = inputs.length > 0 && TEXT.test(inputs[0][0]);
  if (!isText) total += bytes;
  console.log(`${String(bytes).padStart(7)}  ${isText ? 'text ' : '     '} ${name}  ${inputs.slice(0, 2).map(([input]) => input.split('/').slice(-3).join('/')).join(', ')}`);
}
console.log(`@mclip/web, classification: ${total} bytes min+gz of ${LIMIT}`);
if (total > LIMIT) process.exit(1);
