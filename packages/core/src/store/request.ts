/** One HTTP GET under the settings: offline, custom fetch, which addresses are allowed; failures as typed errors. */
import type { ResolvedSettings } from '../configure.js';
import { invalid, MclipError } from '../errors.js';
import { retryAfterMs } from './retry-after.js';

/** How requests are made on a platform. */
export interface Network {
  /** Used when the caller gave none. */
  fetch(): Promise<typeof globalThis.fetch>;
  /** The page's own origin, of which `http:` is as good as `https:`. */
  ownOrigin: string | null;
  /** Schemes besides http(s) that can be fetched. */
  otherSchemes: boolean;
  /** Redirects are followed here, so that no header goes to another origin. Browsers follow them on their own. */
  followsRedirects: boolean;
  /** Sent for model files. */
  transferHeaders: Record<string, string>;
  /** In browsers it would cost a CORS preflight that many servers refuse. */
  sendsIfRange: boolean;
  /** What may be wrong when a server cannot be reached. */
  unreachableHint: string;
}

/** A failure that may be gone at the next try. */
export class TransientError extends MclipError {
  /** What the server asked for. */
  readonly retryAfterMs: number | null;

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number | null } = {}) {
    super('NETWORK', message, 'cause' in options ? { cause: options.cause } : undefined);
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

export interface RequestOptions {
  settings: ResolvedSettings;
  signal?: AbortSignal | undefined;
  /** The caller's own, for this origin only. */
  headers?: Record<string, string> | undefined;
  /** For every server on the way. */
  transferHeaders?: Record<string, string> | undefined;
  cache?: RequestCache;
}

const MOST_REDIRECTS = 10;
const TRANSIENT = [408, 425, 429, 500, 502, 503, 504];

/**
 * The response, null for 404. A 416 is a response too: it answers a `Range`.
 *
 * @throws {MclipError} `OFFLINE`; `NETWORK` with the status or the socket's error; `INVALID_ARGUMENT` for an address
 * that is not allowed; or the signal's own reason.
 */
export async function request(url: string, options: RequestOptions, network: Network): Promise<Response | null> {
  if (options.settings.offline && /^https?:/.test(url)) {
    throw new MclipError('OFFLINE', `offline is set and ${url} is not stored here.`);
  }
  const response = await send(url, options, network);
  const { status } = response;
  if (response.ok || status === 416) return response;
  await response.body?.cancel().catch(() => {});
  if (status === 404 || status === 410) return null;
  const hint = status === 401 || status === 403 ? ' (a private repository needs headers)' : '';
  const message = `${url} answered ${status} ${response.statusText}${hint}.`;
  if (!TRANSIENT.includes(status)) throw new MclipError('NETWORK', message);
  throw new TransientError(message, { retryAfterMs: retryAfterMs(response.headers.get('retry-after')) });
}

async function send(url: string, options: RequestOptions, network: Network): Promise<Response> {
  const { settings, signal, headers, transferHeaders, cache } = options;
  const fetch = settings.fetch ?? (await network.fetch());
  const { origin } = new URL(url);
  let at = new URL(url);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    checkAddress(at, settings, network);
    const response = await fetch(at.href, {
      headers: { ...transferHeaders, ...(at.origin === origin && headers) },
      signal: signal ?? null,
      ...(cache !== undefined && { cache }),
      redirect: network.followsRedirects ? 'manual' : 'follow',
    }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw new TransientError(`Cannot reach ${url}: ${reason(cause)}${network.unreachableHint}.`, { cause });
    });
    const location = [301, 302, 303, 307, 308].includes(response.status) && response.headers.get('location');
    if (!location) {
      if (response.url) checkAddress(new URL(response.url), settings, network); // where a browser was led to
      return response;
    }
    await response.body?.cancel().catch(() => {});
    at = new URL(location, at);
  }
  throw new MclipError('NETWORK', `${url} leads to more than ${MOST_REDIRECTS} redirects, the last one to ${at.href}.`);
}

function checkAddress({ protocol, hostname, origin, href }: URL, { allowHttp }: ResolvedSettings, network: Network) {
  const isHttp = protocol === 'http:';
  if (!isHttp && protocol !== 'https:' && !network.otherSchemes) {
    throw invalid(`Only http: and https: are fetched, got ${href}.`);
  }
  const isHere = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname) || origin === network.ownOrigin;
  if (!isHttp || isHere || allowHttp) return;
  throw invalid(
    `${href} is not encrypted: anybody on the way could change a model. Use https:, or set allowHttp: true.`,
  );
}

function reason(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
