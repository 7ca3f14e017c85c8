/**
 * The packed tarballs in a project of their own, built by each bundler and opened in Chromium: a picture is classified
 * with nano, and nothing is asked of another origin.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from '../../packages/web/test/support/browser.js';
import { startServer } from '../../packages/web/test/support/server.js';
import { packAll, root, run } from '../../tools/pack.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const TOOLS = ['vite@7', 'webpack@5', 'webpack-cli@6', 'esbuild@0.27', 'next@16', 'react@19', 'react-dom@19'];
const PAGE = (script: string) =>
  `<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;

let project: string;
let browser: Browser;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'mclip-bundlers-'));
  const tarballs = packAll(project).filter((path) => !/mclip-node-/.test(path));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  run('npm', ['install', '--no-audit', '--no-fund', ...tarballs, ...TOOLS], project);
  cpSync(join(here, 'entry.js'), join(project, 'entry.js'));
  browser = await launchChromium();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  rmSync(project, { recursive: true, force: true });
}, 120_000);

const tool = (name: string, ...args: string[]) => run(join(project, 'node_modules/.bin', name), args, project);

function write(path: string, content: string) {
  mkdirSync(join(project, path, '..'), { recursive: true });
  writeFileSync(join(project, path), content);
}

/** What a user adds to Vite. */
const viteConfig = (folder: string) =>
  write(
    `${folder}/vite.config.js`,
    `import { mclip } from '@mclip/web/vite';\nexport default { plugins: [mclip()] };\n`,
  );

const picture = (folder: string) => {
  mkdirSync(join(project, folder), { recursive: true });
  cpSync(join(root, 'examples/node-classify/images/strawberry.png'), join(project, folder, 'strawberry.png'));
};

/** What the page says, and the origins that it asked. */
async function open(url: string) {
  const page = await browser.newPage();
  const origins = new Set<string>();
  const said: string[] = [];
  page.on('request', (request) => /^https?:/.test(request.url()) && origins.add(new URL(request.url()).origin));
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  await page.goto(url);
  const answer = await page
    .waitForFunction(() => (globalThis as { answer?: unknown }).answer, undefined, { timeout: 60_000 })
    .then((handle) => handle.jsonValue())
    .catch((error) => ({ error: `${error}`, said }));
  await page.close();
  return { answer, origins: [...origins] };
}

async function expectAnswer(folder: string) {
  const server = await startServer({ folder: join(project, folder) });
  expect(await open(`${server.origin}/`)).toEqual({
    answer: { label: 'strawberry', device: 'wasm' },
    origins: [server.origin],
  });
  await server.close();
}

test('Vite build', async () => {
  write('vite/index.html', PAGE('/entry.js'));
  cpSync(join(here, 'entry.js'), join(project, 'vite/entry.js'));
  viteConfig('vite');
  picture('vite/public');
  tool('vite', 'build', 'vite');
  await expectAnswer('vite/dist');
});

test('Vite dev server', async () => {
  write('vite-dev/index.html', PAGE('/entry.js'));
  cpSync(join(here, 'entry.js'), join(project, 'vite-dev/entry.js'));
  viteConfig('vite-dev');
  picture('vite-dev/public');
  const { createServer } = await import(join(project, 'node_modules/vite/dist/node/index.js'));
  const server = await createServer({
    root: join(project, 'vite-dev'),
    logLevel: 'error',
    server: { port: 0 },
  });
  await server.listen();
  const origin = `http://localhost:${server.httpServer.address().port}`;
  expect(await open(`${origin}/`)).toEqual({ answer: { label: 'strawberry', device: 'wasm' }, origins: [origin] });
  await server.close();
});

test('webpack 5 build', async () => {
  write(
    'webpack.config.js',
    `export default { mode: 'production', entry: './entry.js', output: { path: ${JSON.stringify(join(project, 'webpack'))}, publicPath: '/' }, performance: false };`,
  );
  tool('webpack');
  write('webpack/index.html', PAGE('/main.js'));
  // each with a script of its own
  expect(readdirSync(join(project, 'webpack'))).toEqual(expect.arrayContaining(['mclip-clip.js', 'mclip-vlm.js']));
  picture('webpack');
  await expectAnswer('webpack');
});

test('Next build', async () => {
  write('next/package.json', JSON.stringify({ name: 'next-user', private: true, type: 'module' }));
  write('next/next.config.js', `export default { output: 'export', turbopack: { root: ${JSON.stringify(project)} } };`);
  write(
    'next/app/layout.jsx',
    'export default function Layout({ children }) { return <html><body>{children}</body></html>; }',
  );
  write(
    'next/app/page.jsx',
    `'use client';
import { nanoClip } from '@mclip/nano';
import { createClassifier } from '@mclip/web';
import { useEffect } from 'react';

async function classify() {
  const classifier = await createClassifier(['cat', 'strawberry', 'rocket'], { model: nanoClip });
  const [best] = await classifier.classify('/strawberry.png');
  return { label: best.label, device: classifier.device.name };
}

export default function Page() {
  useEffect(() => {
    classify().then((answer) => { globalThis.answer = answer; }, (error) => { globalThis.answer = { error: String(error) }; });
  }, []);
  return <p>test</p>;
}
`,
  );
  picture('next/public');
  tool('next', 'build', 'next');
  await expectAnswer('next/out');
});

test('esbuild bundle with the documented copy step', async () => {
  const worker = 'worker/clip-worker=node_modules/@mclip/web/dist/worker/clip-worker.js';
  const format = ['--bundle', '--splitting', '--format=esm', '--outdir=esbuild/assets', '--log-level=error'];
  tool('esbuild', 'main=entry.js', worker, ...format);
  const modules = join(project, 'node_modules');
  const wasm = 'ort-wasm-simd-threaded.wasm';
  cpSync(join(modules, 'onnxruntime-web/dist', wasm), join(project, 'esbuild/assets', wasm));
  cpSync(join(modules, '@mclip/nano/models'), join(project, 'esbuild/models'), { recursive: true });
  write('esbuild/index.html', PAGE('/assets/main.js'));
  picture('esbuild');
  await expectAnswer('esbuild');
});

test('a page without a bundler, with an import map', async () => {
  const modules = '/node_modules';
  const imports = {
    '@mclip/web': `${modules}/@mclip/web/dist/index.js`,
    '@mclip/nano': `${modules}/@mclip/nano/dist/index.js`,
    '@mclip/core': `${modules}/@mclip/core/dist/index.js`,
    '@mclip/core/adapter': `${modules}/@mclip/core/dist/adapter.js`,
    'onnxruntime-common': `${modules}/onnxruntime-common/dist/esm/index.js`,
    'onnxruntime-web/wasm': `${modules}/onnxruntime-web/dist/ort.wasm.bundle.min.mjs`,
    'onnxruntime-web/webgpu': `${modules}/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs`,
  };
  write('index.html', `<script type="importmap">${JSON.stringify({ imports })}</script>${PAGE('/entry.js')}`);
  picture('.');
  await expectAnswer('.');
});

test('the sizes that were promised', () => {
  // the worker that serves CLIP carries nothing of captions
  const worker = readFileSync(join(project, 'node_modules/@mclip/web/dist/worker/clip-worker.js'), 'utf8');
  expect(worker).not.toMatch(/fastvlm|past_key_values|inputs_embeds/i);
});
