import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { presets, vlmPresets } from '@mclip/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript
import { hubTable, recordFile, writtenHubTable } from '../tools/hub/hub-table.mjs';

const script = fileURLToPath(new URL('../tools/hub/verify-hub.mjs', import.meta.url));
const graph = (name: string) => readFileSync(new URL(`../tools/hub/stand-in/${name}.onnx`, import.meta.url));
const tokenizer = readFileSync(new URL('../packages/node/test/fixtures/tiny-vlm/tokenizer.json', import.meta.url));

/** repository -> path -> bytes; what is served may differ from what is listed. */
let listed: Map<string, Map<string, Buffer>>;
let served: (repo: string, path: string) => Buffer | undefined;
let server: Server;
let hub: string;
let cacheDir: string;

function standIn(): typeof listed {
  const repositories = new Map<string, Map<string, Buffer>>();
  const filesOf = (repo: string) => {
    if (!repositories.has(repo)) repositories.set(repo, new Map());
    return repositories.get(repo)!;
  };
  for (const { repo, folder, manifest } of Object.values(presets)) {
    for (const [name, { files }] of Object.entries(manifest.graphs)) {
      // a byte more for each, so that no two presets have the same content
      const padding = Buffer.from([0x12, 0]); // an empty producer name
      const content = Buffer.concat([graph(`${name}-${manifest.dim}`), ...Array(repositories.size).fill(padding)]);
      for (const file of Object.values(files)) filesOf(repo).set(folder + file.file, content);
    }
  }
  for (const { repo, folder, manifest } of Object.values(vlmPresets)) {
    const stems = { vision: 'vision_encoder', decoder: 'decoder_model_merged', embed: 'embed_tokens' } as const;
    for (const name of ['vision', 'decoder', 'embed'] as const) {
      for (const file of Object.values(manifest.graphs[name]!.files)) {
        filesOf(repo).set(folder + file.file, graph(stems[name]));
      }
    }
    filesOf(repo).set(`${folder}tokenizer.json`, tokenizer);
  }
  return repositories;
}

beforeEach(async () => {
  listed = standIn();
  served = (repo, path) => listed.get(repo)?.get(path);
  cacheDir = await mkdtemp(join(tmpdir(), 'mclip-verify-hub-'));
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://hub');
    const [, kind, repo, revision, path] =
      /^\/(api\/models\/|cdn\/|)([\w.-]+\/[\w.-]+)\/(?:tree|resolve|blob)\/([\w.-]+)\/?(.*)$/.exec(pathname) ?? [];
    if (repo === undefined || !listed.has(repo)) return void response.writeHead(404).end();
    if (kind === 'api/models/') {
      const entries = [...listed.get(repo)!].map(([name, bytes]) => ({
        type: 'file',
        path: name,
        size: bytes.length,
        ...(name.endsWith('.onnx') && { lfs: { oid: sha256(bytes), size: bytes.length } }),
      }));
      return void response.end(JSON.stringify(entries));
    }
    const bytes = served(repo, path!);
    if (bytes === undefined) return void response.writeHead(404).end();
    if (kind === '' && path!.endsWith('.onnx')) {
      return void response.writeHead(302, { location: `/cdn/${repo}/blob/${revision}/${path}` }).end();
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    if (range !== null) {
      const [from, to] = [Number(range[1]), range[2] === '' ? bytes.length - 1 : Number(range[2])];
      response.writeHead(206, {
        'content-range': `bytes ${from}-${to}/${bytes.length}`,
        'content-length': to - from + 1,
      });
      return void response.end(bytes.subarray(from, to + 1));
    }
    response.writeHead(200, { 'content-length': bytes.length, 'accept-ranges': 'bytes' }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  hub = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(cacheDir, { recursive: true });
});

interface Outcome {
  code: number | null;
  output: string;
  rows: { preset: string; ok: boolean; note: string; megabytes: number }[];
}

function verifyHub(...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [script, '--json', '--hub', hub, '--cache', cacheDir, ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) =>
    child.on('close', (code) => {
      const last = output.trim().split('\n').at(-1)!;
      resolve({ code, output, rows: last.startsWith('{') ? JSON.parse(last).rows : [] });
    }),
  );
}

test('every preset is downloaded, checked and run', { timeout: 240_000 }, async () => {
  const { code, rows, output } = await verifyHub();
  expect(rows.filter(({ ok }) => !ok)).toEqual([]);
  expect(rows.map(({ preset }) => preset)).toEqual([...Object.keys(presets), ...Object.keys(vlmPresets)]);
  expect(code, output).toBe(0);
});

test('bytes that are not those of the listing fail', { timeout: 240_000 }, async () => {
  served = (repo, path) => {
    const bytes = listed.get(repo)?.get(path);
    if (bytes === undefined || !path.includes('text')) return bytes;
    const damaged = Buffer.from(bytes);
    damaged[damaged.length - 8]! ^= 1;
    return damaged;
  };
  const { code, rows } = await verifyHub('--preset', 'mobileclip2-s0');
  expect(code).toBe(1);
  expect(rows).toMatchObject([{ ok: false, note: expect.stringContaining('MODEL_CORRUPT') }]);
});

test('a graph of another width fails, and so does a missing file', { timeout: 240_000 }, async () => {
  const files = listed.get(presets['mobileclip2-s0']!.repo)!;
  files.set('onnx/s0/vision_model.onnx', graph('vision-768'));
  files.delete('onnx/s2/text_model.onnx');
  const { code, rows } = await verifyHub('--preset', 'mobileclip2-s0,mobileclip2-s2');
  expect(code).toBe(1);
  expect(rows).toMatchObject([
    { ok: false, note: expect.stringMatching(/768/) },
    { ok: false, note: expect.stringMatching(/text_model/) },
  ]);
});

test('an unknown preset is named, with those that exist', async () => {
  const { code, output } = await verifyHub('--preset', 'mobileclip9');
  expect(code).toBe(2);
  expect(output).toMatch(/mobileclip9.*mobileclip2-s0/s);
});

test('docs/models.md says what docs/hub-verified.json says, of every preset', () => {
  const record = JSON.parse(readFileSync(recordFile, 'utf8'));
  expect(Object.keys(record)).toEqual([...Object.keys(presets), ...Object.keys(vlmPresets)]);
  expect(writtenHubTable()).toBe(hubTable(record));
});

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
