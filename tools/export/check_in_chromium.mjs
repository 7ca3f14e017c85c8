/**
 * Loads a model folder through @mclip/web in Chromium on wasm: a picture and a text against the manifest's canary, then a
 * classifier from a ready LabelSet, with the model bytes that it fetches. Prints one JSON line.
 *
 *   node tools/export/check_in_chromium.mjs FOLDER [DTYPE]
 *
 * after npm run build. Debian's chromium, or CHROMIUM_PATH.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { canaryPicture } from './canary_picture.mjs';

const LEAST_COSINE = 0.999;
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = resolve(process.argv[2] ?? '.');
const dtype = process.argv[3] ?? 'w8';
const { image, canary } = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
const imports = {
  '@mclip/web': '/packages/web/dist/index.js',
  '@mclip/core': '/packages/core/dist/index.js',
  '@mclip/core/adapter': '/packages/core/dist/adapter.js',
  'onnxruntime-common': '/node_modules/onnxruntime-common/dist/esm/index.js',
  'onnxruntime-web/wasm': '/packages/web/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs',
};
const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** Bytes by path of everything that was fetched of the model. */
const fetched = new Map();
const server = createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
  const file = path.startsWith('/model/') ? join(folder, path.slice('/model/'.length)) : join(root, path);
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
  if (path === '/') {
    response.setHeader('Content-Type', 'text/html');
    response.end(
      `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`,
    );
    return;
  }
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  if (path.startsWith('/model/') && request.method === 'GET') fetched.set(path, stat.size);
  const type = types[extname(file)] ?? 'application/octet-stream';
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': stat.size });
  if (request.method === 'HEAD') response.end();
  else createReadStream(file).pipe(response);
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});

/** `script` on a page of its own, so with an empty store. */
async function onPage(script, argument) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  try {
    return await page.evaluate(script, argument);
  } finally {
    await context.close();
  }
}

const picture = { ...canaryPicture(image.size), data: [...canaryPicture(image.size).data] };
const embedded = await onPage(
  async ({ picture, dtype, text }) => {
    const { createEmbedder, createClassifier } = await import('@mclip/web');
    const options = { model: '/model/', dtype, device: 'wasm' };
    const embedder = await createEmbedder(options);
    const vision = await embedder.encodeImage({ ...picture, data: new Uint8Array(picture.data) });
    const words = await embedder.encodeText(text);
    await embedder.dispose();
    const classifier = await createClassifier(['a river', 'a bottle', 'a parrot'], options);
    const set = classifier.labelSet().toJSON();
    await classifier.dispose();
    return { vision: [...vision], text: [...words], set };
  },
  { picture, dtype, text: canary.text.inputText },
);

fetched.clear();
const classified = await onPage(
  async ({ picture, dtype, set }) => {
    const { createClassifier, LabelSet } = await import('@mclip/web');
    const classifier = await createClassifier(LabelSet.fromJSON(set), { model: '/model/', dtype, device: 'wasm' });
    const results = await classifier.classify({ ...picture, data: new Uint8Array(picture.data) });
    const { name, threads } = classifier.device;
    return { device: name, dtype: classifier.device.dtype, threads, best: results[0].label, count: results.length };
  },
  { picture, dtype, set: embedded.set },
);
await browser.close();
server.close();

function cosine(found, base64) {
  const bytes = Buffer.from(base64, 'base64');
  const expected = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  return dot(found, expected) / Math.sqrt(dot(found, found) * dot(expected, expected));
}

const cosines = { vision: cosine(embedded.vision, canary.vision), text: cosine(embedded.text, canary.text.embedding) };
const modelBytes = [...fetched.values()].reduce((sum, bytes) => sum + bytes, 0);
console.log(JSON.stringify({ ...classified, cosines, modelBytes, files: [...fetched.keys()] }));
if (!(Math.min(cosines.vision, cosines.text) >= LEAST_COSINE && classified.count === 3)) {
  console.error(`${folder}: ${JSON.stringify(cosines)} to the canary, at least ${LEAST_COSINE} expected.`);
  process.exit(1);
}
