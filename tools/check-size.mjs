/**
 * Size of mclip's own code, as Chromium asks for it: pages built by Vite are opened twice, and the scripts of the second
 * start, when the model and the labels' embeddings are stored, are added up, each gzipped by itself, page and worker.
 * Left out: onnxruntime. What only a first start loads, downloads and the tokenizer with its vocabulary, is said beside, and
 * so is what other uses than that of the page load.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { build } from 'vite';
import { mclip } from '../packages/web/dist/vite.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const ONNXRUNTIME = /\/ort[.-]/;
const types = {
  '.jpg': 'image/jpeg',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};
/** `/assets/download-QD7F-x1y2.js` or `/assets/download-x1y2.js` -> `download` */
const nameOf = (path) => /([a-z0-9-]+?)(-[A-Z0-9]{8})?-.{8}\.js$/.exec(path)?.[1] ?? path;
/** By use, names of the scripts that it loads besides. */
const USES = {
  'a model by its name': ['hub', 'presets'],
  'a picture by its URL': ['picture-at-url', 'request', 'network'],
  'a picture that is neither JPEG nor PNG': ['other-formats'],
  'raw pixels': ['raw-reader'],
  'a camera': ['frames', 'watch'],
  'a GPU': ['gpu', 'gpu-facts', 'machine-fits'],
  'a stream of pictures': ['in-order'],
};
const CAPTION_USES = {
  ...USES,
  'embeddings in a graph': ['graph-rows'],
  'a form that is rewritten': ['create-rewritten'],
};
const jpeg = await sharp(join(root, 'examples/node-classify/images/cat.png'))
  .flatten({ background: '#fff' })
  .jpeg()
  .toBuffer();
/** As `nanoClip` of @mclip/nano, without its manifest in the page's script; and what a page has from an input. */
const given = `
const get = (url) => fetch(url).then((response) => (url.endsWith('jpg') ? response.blob() : response.json()));
const nano = async (folder) => ({
  manifest: await get(folder + 'mclip.json'),
  fileUrl: (file) => new URL(folder + file, location.href),
});
const photo = () => get('/cat.jpg');`;
const classify = `
  const classifier = await createClassifier(['cat', 'dog', 'pizza'], { model: await nano('/models/clip/') });
  await classifier.classify(await photo());`;
const caption = `
  const captioner = await createCaptioner({ model: await nano('/models/vlm/') });
  await captioner.caption(await photo(), { maxNewTokens: 2 });`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  await check('classification', ['createClassifier'], classify, 25_000, USES);
  await check(
    'classification and captions',
    ['createClassifier', 'createCaptioner'],
    classify + caption,
    53_500,
    CAPTION_USES,
  );
} finally {
  await browser.close();
}

async function check(what, names, use, limit, otherUses) {
  const { files, server, log } = await site(names, use);
  const context = await browser.newContext();
  const scriptsOfStart = async () => {
    log.length = 0;
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(error.stack));
    await page.goto(`http://localhost:${server.address().port}/`);
    await page.waitForFunction(() => globalThis.done, undefined, { timeout: 120_000 });
    if (process.argv.includes('--files')) console.log(log.filter((path) => !/assets/.test(path)).join(' '));
    await page.close();
    return [...new Set(log)].filter((path) => files.has(path) && extname(path) === '.js' && !ONNXRUNTIME.test(path));
  };
  const size = (path) => gzipSync(files.get(path), { level: 9 }).length;
  const total = (paths) => paths.reduce((sum, path) => sum + size(path), 0);
  const first = await scriptsOfStart();
  const next = await scriptsOfStart();
  const [workers, pages] = [next.filter((path) => /worker/.test(path)), next.filter((path) => !/worker/.test(path))];
  const once = first.filter((path) => !next.includes(path));
  console.log(
    `@mclip/web, ${what}: ${total(next)} bytes min+gz, of ${limit} at most (page ${total(pages)}, workers ${total(workers)}; ` +
      `at a first start ${total(once)} more: ${once.map((path) => `${nameOf(path)} ${size(path)}`).join(', ')})`,
  );
  const scripts = [...files.keys()].filter((path) => extname(path) === '.js' && !next.includes(path));
  // page and worker may each have one of that name: the larger counts
  const largest = (name) => Math.max(...scripts.filter((path) => nameOf(path) === name).map(size));
  const uses = Object.entries(otherUses).map(([use, names]) => {
    const bytes = names.reduce((sum, name) => sum + largest(name), 0);
    if (!(bytes > 0)) throw new Error(`There are no scripts ${names.join(', ')} any more.`);
    return `${use} ${bytes}`;
  });
  console.log(`  loaded besides for ${uses.join(', ')}`);
  if (process.argv.includes('--files')) console.table(Object.fromEntries(next.map((path) => [path, size(path)])));
  if (total(next) > limit) process.exitCode = 1;
  await context.close();
  server.closeAllConnections();
  server.close();
}

/** The built page with everything it needs, and the paths it was asked for. */
async function site(names, use) {
  const entry = 'virtual:entry';
  const { output } = await build({
    root: join(root, 'packages/web/test/bundled-page'),
    configFile: false,
    logLevel: 'error',
    build: { write: false, modulePreload: false, rollupOptions: { input: entry } },
    plugins: [
      mclip(),
      {
        name: 'entry',
        resolveId: (id) => (id === entry ? id : null),
        load: (id) =>
          id === entry
            ? `import { ${names.join(', ')} } from '@mclip/web';${given}\n(async () => {${use}\nglobalThis.done = true;\n})();`
            : null,
      },
    ],
  });
  const files = new Map(output.map((file) => [`/${file.fileName}`, file.code ?? file.source]));
  const main = output.find(({ isEntry }) => isEntry).fileName;
  files.set('/', `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/${main}"></script>`);
  files.set('/cat.jpg', jpeg);
  const log = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    log.push(pathname);
    const content = files.get(pathname) ?? (await readFile(join(root, 'packages/nano', pathname)).catch(() => null));
    response.setHeader('cache-control', 'no-store');
    response.setHeader('content-type', types[extname(pathname) || '.html'] ?? 'application/octet-stream');
    if (content === null) response.statusCode = 404;
    response.end(content ?? '');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { files, server, log };
}
