/** One request of a download: what it adds to the part, whatever the server makes of `Range`. */
import type { FetchOptions } from '../platform.js';
import type { HashedPart } from './hashed-part.js';
import { StallWatch } from './patience.js';
import { type Network, request, TransientError } from './request.js';

/** The server has other bytes than it should, or had before: the part is of no use. */
export class WrongContent extends Error {
  readonly mayChange: boolean;

  constructor(message: string, mayChange = true) {
    super(message);
    this.mayChange = mayChange;
  }
}

export interface Transfer {
  url: string;
  /** What the file must have, null: what the server says. */
  bytes: number | null;
  /** More than this is refused, whatever the server says. */
  limit: number;
  /** Version of the bytes so far. */
  etag: string | null;
  /** HTML in place of a file is the start page of a single-page app. */
  refusesPages: boolean;
  part: HashedPart;
  network: Network;
  options: FetchOptions;
  /** Called before the first byte of a version is kept. */
  onVersion(etag: string | null, bytes: number | null): Promise<void>;
}

/**
 * Resolves when the part is as long as it should be, with null when there is no such file.
 *
 * @throws {TransientError} when the connection broke; what came until then is kept.
 * @throws {WrongContent} when it is not the file that it should be.
 */
export async function transfer(job: Transfer): Promise<true | null> {
  const { url, part, network, options } = job;
  const { settings, signal } = options;
  if (part.size > 0 && part.size === job.bytes) return true;
  const watch = new StallWatch(url, settings, signal);
  try {
    const range = part.size > 0 ? { range: `bytes=${part.size}-` } : {};
    const isStrong = job.etag !== null && !job.etag.startsWith('W/');
    const condition = part.size > 0 && network.sendsIfRange && isStrong ? { 'if-range': job.etag! } : {};
    const response = await request(
      url,
      {
        settings,
        signal: watch.signal,
        cache: 'no-store', // the browser's would keep a second copy, and has ideas of its own about ranges
        headers: settings.headers,
        transferHeaders: { ...network.transferHeaders, ...range, ...condition },
      },
      network,
    );
    watch.restart();
    const isPage = job.refusesPages && response?.headers.get('content-type')?.startsWith('text/html');
    if (response === null || isPage) return null;
    const total = await agree(response, job);
    if (total === 'complete') return true;
    await receive(response, total, job, watch);
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    // a stall is told by the reason of the request's own signal
    throw watch.signal.aborted && watch.signal.reason instanceof TransientError ? watch.signal.reason : error;
  } finally {
    watch.end();
  }
}

/** Finds out what the response is of: the rest of the file, all of it, or of another one. Gives the file's size. */
async function agree(response: Response, job: Transfer): Promise<number | null | 'complete'> {
  const { part, network, options } = job;
  const { status, headers } = response;
  // a browser hides these headers unless the server exposes them
  const [, first, whole] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? [];
  const etag = headers.get('etag');
  if (status === 416) {
    if (Number(whole) === part.size && job.bytes === null) return 'complete';
    throw new WrongContent('is shorter than what was fetched of it before');
  }
  if (status === 206) {
    if (part.size === 0 || (first !== undefined && Number(first) !== part.size)) {
      throw new WrongContent(`gave bytes from ${first ?? 'somewhere'} on instead of ${part.size}`);
    }
    if (etag !== null && job.etag !== null && etag !== job.etag) throw new WrongContent('has changed meanwhile');
    if (whole !== undefined && job.bytes !== null && Number(whole) !== job.bytes) throw wrongSize(whole, job.bytes);
    options.onBytes?.(part.size, job.bytes ?? (whole === undefined ? null : Number(whole)));
    return whole === undefined ? null : Number(whole);
  }
  if (part.size > 0) await part.startOver(); // the server ignored Range, or its file has changed
  // the length of a compressed response is not the file's
  const announced = headers.has('content-encoding') ? 0 : Number(headers.get('content-length'));
  const total = announced || null;
  const isCertain = network.transferHeaders['accept-encoding'] === 'identity';
  if (isCertain && total !== null && job.bytes !== null && total !== job.bytes) throw wrongSize(total, job.bytes);
  await job.onVersion(etag, job.bytes ?? total);
  options.onBytes?.(0, job.bytes ?? total);
  return total;
}

const wrongSize = (is: number | string, expected: number) =>
  new WrongContent(`has ${is} bytes instead of the ${expected} it should have`);

async function receive(response: Response, total: number | null, job: Transfer, watch: StallWatch): Promise<void> {
  const { url, part, options } = job;
  const expected = job.bytes ?? total;
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        options.signal?.throwIfAborted();
        throw new TransientError(`The download of ${url} broke after ${part.size} bytes.`, { cause });
      });
      if (done) break;
      watch.restart();
      const size = part.size + value.length;
      if (job.bytes !== null && size > job.bytes) throw new WrongContent(`is longer than its ${job.bytes} bytes`);
      if (size > job.limit) throw new WrongContent(`is longer than the ${job.limit} bytes that a text may have`, false);
      await part.append(value);
      options.onBytes?.(size, expected);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  if (expected === null || part.size === expected) return;
  if (part.size === total) throw wrongSize(total, expected);
  throw new TransientError(`${url} ended after ${part.size} of ${expected} bytes.`);
}
