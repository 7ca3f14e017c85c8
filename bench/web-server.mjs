/** The benchmark's site: cross-origin isolated, modules from node_modules by an import map, the same model for both. */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };
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

const page = `<!doctype html><meta charset="utf-8"><title>bench</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(importMap)}</script>
<script type="module" src="/bench/web-page.js"></script>`;

/** Models by name: their folder in the repository, and the file of the vision graph. */
export async function startSite(models) {
  const peerFiles = Object.fromEntries(
    Object.entries(models).flatMap(([name, { folder, visionFile }]) => {
      const { image } = JSON.parse(readFileSync(`${root}${folder}mclip.json`, 'utf8'));
      return [
        [`/peer/${name}/config.json`, { model_type: 'clip', architectures: ['CLIPModel'], vision_config: {} }],
        [`/peer/${name}/preprocessor_config.json`, preprocessorConfig(image)],
        [`/peer/${name}/onnx/vision_model.onnx`, `/${folder}${visionFile}`],
      ];
    }),
  );
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    response.setHeader('Cache-Control', 'max-age=600');
    const own = path === '/' ? page : peerFiles[path];
    if (own === page) response.setHeader('Content-Type', 'text/html').end(page);
    else if (typeof own === 'object') response.setHeader('Content-Type', 'application/json').end(JSON.stringify(own));
    else sendFile(own ?? path, response);
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

/** What the manifest says, in the peer's words. */
function preprocessorConfig({ size, interpolation, mean, std }) {
  return {
    image_processor_type: 'CLIPImageProcessor',
    do_resize: true,
    size: { shortest_edge: size },
    resample: interpolation === 'bicubic' ? 3 : 2,
    do_center_crop: true,
    crop_size: { height: size, width: size },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: mean.some((value) => value !== 0) || std.some((value) => value !== 1),
    image_mean: mean,
    image_std: std,
    do_convert_rgb: true,
  };
}
