/** The benchmark's site: cross-origin isolated, modules from node_modules by an import map, the same model for both. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};
const ort = '/packages/web/node_modules/onnxruntime-web/dist';
const peerOrt = '/node_modules/onnxruntime-web/dist'; // the peer pins another version, in a build that has WebGPU too

const importMap = {
  imports: {
    '@mclip/web': '/packages/web/dist/index.js',
    '@mclip/core': '/packages/core/dist/index.js',
    '@mclip/core/adapter': '/packages/core/dist/adapter.js',
    'onnxruntime-common': '/node_modules/onnxruntime-common/dist/esm/index.js',
    'onnxruntime-web/wasm': `${ort}/ort.wasm.bundle.min.mjs`,
    '@huggingface/transformers': '/node_modules/@huggingface/transformers/dist/transformers.web.js',
    'onnxruntime-web/webgpu': `${peerOrt}/ort.webgpu.bundle.min.mjs`,
  },
};

const page = (script) => `<!doctype html><meta charset="utf-8"><title>bench</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(importMap)}</script>
<script type="module" src="/bench/${script}"></script>`;

/** How ours reads and resizes, for a page to time: the packages do not export it. */
async function reading() {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        export { decodeImage } from './packages/web/src/decode-image.ts';
        export { preprocessParts } from './packages/core/src/image/preprocess-parts.ts';
        export { scaledSize } from './packages/core/src/image/geometry.ts';`,
      resolveDir: root,
    },
    define: { MCLIP_VERSION: '""' },
    bundle: true,
    format: 'esm',
    minify: true,
    write: false,
  });
  return outputFiles[0].text;
}

/**
 * The repository, with pages at '/classification' and '/captions'.
 * @param made by path: an object is sent as JSON, a string is the path of the file to send
 */
export async function startSite(made) {
  const texts = {
    '/classification': page('web-page.js'),
    '/captions': page('web-caption-page.js'),
    '/bench/reading.js': await reading(),
    ...Object.fromEntries(
      Object.entries(made).flatMap(([path, it]) => (typeof it === 'string' ? [] : [[path, JSON.stringify(it)]])),
    ),
  };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    response.setHeader('Cache-Control', 'max-age=600');
    const text = texts[path];
    if (text === undefined) sendFile(made[path] ?? path, response);
    else response.setHeader('Content-Type', types[extname(path) || '.html'] ?? 'application/json').end(text);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://localhost:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function sendFile(path, response) {
  const file = normalize(root + path);
  const stat = file.startsWith(root) && !file.includes(`${sep}.`) ? statSync(file, { throwIfNoEntry: false }) : null;
  if (!stat?.isFile()) {
    response.writeHead(404).end('not found');
    return;
  }
  const type = types[extname(file)] ?? 'application/octet-stream';
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': stat.size });
  createReadStream(file).pipe(response);
}
