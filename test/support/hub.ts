/**
 * A model hub on this machine with the paths, redirects, listings and CORS headers of a real one, and faults on demand.
 * Files are answered by a second server, the CDN, from another origin, as real hubs do.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

export const NANO_FOLDER = fileURLToPath(new URL('../../packages/nano/models/clip/', import.meta.url));
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** What a server does wrong. Positions are those of the file, whatever range was asked for. */
export type Fault =
  | { do: 'drop'; at: number }
  | { do: 'stall'; at: number }
  /** Whole chunks at intervals. */
  | { do: 'drip'; bytes: number; ms: number }
  | { do: 'flip'; at: number }
  /** Other bytes of another length, announced as what they are. */
  | { do: 'resize'; to: number }
  /** Fewer bytes than the file has, without a length. */
  | { do: 'cut'; to: number }
  | { do: 'status'; status: number; headers?: Record<string, string> }
  | { do: 'redirect'; to: string }
  | { do: 'ignore-range' }
  /** Another version of the file. */
  | { do: 'etag'; etag: string; bytes?: Buffer }
  | { do: 'page' };

export interface HubRequest {
  /** Below the repository, or the path of the request for what is no file. */
  name: string;
  server: 'hub' | 'cdn';
  path: string;
  method: string;
  /** First byte asked for, 0 without a `Range`. */
  from: number;
  headers: IncomingMessage['headers'];
  /** How many requests for the same file this server had before. */
  before: number;
  /** Bytes of the body that were written. */
  sent: number;
  /** Whether the connection is still open. */
  isOpen: boolean;
}

export interface Hub {
  url: string;
  cdnUrl: string;
  /** By name below the repository, the same in every repository. */
  files: Map<string, Buffer>;
  /** Decides about each request for a file. Null: all is well. */
  fault: (request: HubRequest) => Fault | null;
  /** Response headers that scripts of other origins may read; those of the hub itself by default. */
  exposed: string;
  /** Whether the hub knows commits; some mirrors do not. */
  hasCommits: boolean;
  requests: HubRequest[];
  /** Requests for one file that were answered with some of its bytes. */
  fetches(name: string): HubRequest[];
  close(): Promise<void>;
}

const EXPOSED =
  'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag';

export async function startHub(): Promise<Hub> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(NANO_FOLDER)) files.set(name, await readFile(NANO_FOLDER + name));
  const requests: HubRequest[] = [];
  const servers: Server[] = [];
  const hub: Hub = {
    url: '',
    cdnUrl: '',
    files,
    fault: () => null,
    exposed: EXPOSED,
    hasCommits: true,
    requests,
    fetches: (name) => requests.filter((request) => request.name === name && request.sent > 0),
    async close() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
  const listen = async (server: HubRequest['server']) => {
    const listening = createServer((request, response) => answer(hub, server, request, response));
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    servers.push(listening);
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  };
  hub.url = await listen('hub');
  hub.cdnUrl = await listen('cdn');
  return hub;
}

function answer(hub: Hub, server: HubRequest['server'], incoming: IncomingMessage, response: ServerResponse): void {
  const path = incoming.url!;
  const [, kind, repo, rest] = /^\/(api\/models\/|cdn\/|)([\w.-]+\/[\w.-]+)\/(.*)$/.exec(path) ?? [];
  const name = kind === 'api/models/' || rest === undefined ? path : rest.replace(/^resolve\/[^/]+\//, '');
  const before = hub.requests.filter((request) => request.name === name && request.server === server).length;
  const from = Number(/^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')?.[1] ?? 0);
  const { method = 'GET', headers } = incoming;
  const request: HubRequest = { name, server, path, method, from, headers, before, sent: 0, isOpen: true };
  hub.requests.push(request);
  response.on('close', () => {
    request.isOpen = false;
  });
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', hub.exposed);
  // what needs a preflight is refused, as many servers do
  if (method !== 'GET') return void response.writeHead(405).end();
  const fault = hub.fault(request);
  if (fault?.do === 'status') return void response.writeHead(fault.status, fault.headers).end();
  if (fault?.do === 'redirect') return void response.writeHead(302, { location: fault.to }).end();
  if (fault?.do === 'page') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
  if (kind === 'api/models/') return void answerApi(hub, rest!, response);
  const bytes = hub.files.get(name);
  if (repo === undefined || bytes === undefined) return void response.writeHead(404).end();
  if (server === 'hub' && name.endsWith('.onnx')) {
    return void response.writeHead(302, { location: `${hub.cdnUrl}/cdn/${repo}/${name}` }).end();
  }
  void send(bytes, fault, request, response);
}

function answerApi({ files, hasCommits }: Hub, rest: string, response: ServerResponse): void {
  if (rest.startsWith('revision/')) {
    if (!hasCommits) return void response.writeHead(404).end();
    return void response.end(JSON.stringify({ sha: COMMIT }));
  }
  const listing = [...files].map(([path, bytes]) => ({
    type: 'file',
    path,
    size: bytes.length,
    ...(path.endsWith('.onnx') && { lfs: { oid: sha256(bytes), size: bytes.length } }),
  }));
  response.end(JSON.stringify(listing));
}

async function send(
  original: Buffer,
  fault: Fault | null,
  request: HubRequest,
  response: ServerResponse,
): Promise<void> {
  let bytes = original;
  let etag = `"${sha256(original).slice(0, 16)}"`;
  if (fault?.do === 'etag') {
    etag = fault.etag;
    bytes = fault.bytes ?? original;
  } else if (fault?.do === 'flip') {
    bytes = Buffer.from(original);
    bytes[fault.at]! ^= 4;
  } else if (fault?.do === 'resize') {
    bytes = Buffer.alloc(fault.to, 7);
  } else if (fault?.do === 'cut') {
    bytes = original.subarray(0, fault.to);
  }
  const { headers } = request;
  const isStale = headers['if-range'] !== undefined && headers['if-range'] !== etag;
  const isPart = headers.range !== undefined && fault?.do !== 'ignore-range' && !isStale;
  const from = isPart ? request.from : 0;
  response.setHeader('etag', etag);
  response.setHeader('accept-ranges', 'bytes');
  if (isPart && from >= bytes.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  }
  if (isPart) response.setHeader('content-range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
  if (fault?.do !== 'cut') response.setHeader('content-length', bytes.length - from);
  response.writeHead(isPart ? 206 : 200);
  const write = async (start: number, end: number) => {
    const chunk = bytes.subarray(start, end);
    if (chunk.length === 0 || response.destroyed) return;
    await new Promise((resolve) => response.write(chunk, resolve));
    if (!response.destroyed) request.sent += chunk.length;
  };
  if (fault?.do === 'drop' || fault?.do === 'stall') {
    await write(from, fault.at);
    if (fault.do === 'stall') return;
    await new Promise((resolve) => setTimeout(resolve, 20)); // what was sent has arrived
    response.destroy();
    return;
  }
  const step = fault?.do === 'drip' ? fault.bytes : 65_536;
  for (let at = from; at < bytes.length && !response.destroyed; at += step) {
    await write(at, at + step);
    if (fault?.do === 'drip') await new Promise((resolve) => setTimeout(resolve, fault.ms));
  }
  response.end();
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
