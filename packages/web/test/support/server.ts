/**
 * A static server for one test page: the repository's files, an import map instead of a bundler, headers to choose,
 * and a log of what was asked for.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { NANO_FOLDER, ROOT } from './paths.js';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
};

/** onnxruntime-web is looked for where npm may have put it. */
const IMPORT_MAP = {
  imports: {
    '@mclip/web': '/packages/web/dist/index.js',
    '@mclip/nano': '/packages/nano/dist/index.js',
    '@mclip/core': '/packages/core/dist/index.js',
    '@mclip/core/adapter': '/packages/core/dist/adapter.js',
    'onnxruntime-common': '/node_modules/onnxruntime-common/dist/esm/index.js',
    'onnxruntime-web/wasm': '/onnxruntime-web/ort.wasm.bundle.min.mjs',
    'onnxruntime-web/webgpu': '/onnxruntime-web/ort.webgpu.bundle.min.mjs',
  },
};

const PAGE = `<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify(IMPORT_MAP)}</script>
<script type="module" src="/packages/web/test/page/main.js"></script>`;

export type Files = Record<string, string | Uint8Array | Blob>;

export interface ServerOptions {
  /** Send the COOP and COEP headers that make a page cross-origin isolated. */
  isolated?: boolean;
  csp?: string;
  /** Served at '/' instead of the repository with its import map. */
  folder?: string;
  /** By path, of the test itself. Scripts and Blobs are sent with a type, others without. */
  files?: Files;
}

/** One at a time. */
export interface Hold {
  /** One of the paths has been asked for. */
  asked: Promise<void>;
  release(): void;
}

export interface TestServer {
  origin: string;
  /** Paths asked for, in order. */
  log: string[];
  /** From here on answers to `paths` wait. */
  hold(paths: RegExp): Hold;
  close(): Promise<void>;
}

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const log: string[] = [];
  let held: { paths: RegExp; onAsked(): void; released: Promise<void> } | null = null;
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname);
    log.push(path);
    if (options.isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    if (options.csp !== undefined) response.setHeader('Content-Security-Policy', options.csp);
    if (held?.paths.test(path)) {
      held.onAsked();
      await held.released;
    }
    const file = options.files?.[path];
    if (file === undefined) answer(path, response, options.folder);
    else send(path, file, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hold = (paths: RegExp): Hold => {
    let [onAsked, go] = [() => {}, () => {}];
    const asked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const released = new Promise<void>((resolve) => {
      go = resolve;
    });
    held = { paths, onAsked: () => onAsked(), released };
    const release = () => {
      held = null;
      go();
    };
    return { asked, release };
  };
  return { origin: `http://localhost:${port}`, log, hold, close: () => closed(server) };
}

async function send(path: string, file: Files[string], response: ServerResponse): Promise<void> {
  const type = file instanceof Blob ? file.type : path.endsWith('.js') ? TYPES['.js']! : '';
  if (type !== '') response.setHeader('content-type', type);
  response.end(file instanceof Blob ? new Uint8Array(await file.arrayBuffer()) : file);
}

async function answer(path: string, response: ServerResponse, folder: string | undefined): Promise<void> {
  if (folder === undefined && path === '/') {
    response.writeHead(200, { 'content-type': TYPES['.html'] }).end(PAGE);
    return;
  }
  const safe = normalize(path === '/' ? '/index.html' : path);
  const nano = '/models/nano/';
  const ort = '/onnxruntime-web/';
  const file = safe.startsWith(nano)
    ? join(NANO_FOLDER, safe.slice(nano.length))
    : safe.startsWith(ort)
      ? join(ROOT, 'packages/web/node_modules/onnxruntime-web/dist', safe.slice(ort.length))
      : join(folder ?? ROOT, safe);
  const content = await readFile(file).catch(() =>
    safe.startsWith(ort)
      ? readFile(join(ROOT, 'node_modules/onnxruntime-web/dist', safe.slice(ort.length))).catch(() => null)
      : null,
  );
  if (content === null) response.writeHead(404).end('not found');
  else {
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    // as a real site would: Chromium keeps compiled wasm only with responses that it may cache
    response.writeHead(200, { 'content-type': type, 'cache-control': 'max-age=600' }).end(content);
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
