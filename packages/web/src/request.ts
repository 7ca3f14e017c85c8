/** One HTTP GET under the settings: offline, custom fetch; failures as typed errors. */
import { MclipError } from '@mclip/core';
import type { FetchOptions } from '@mclip/core/adapter';

/**
 * The response, or null for 404.
 *
 * @throws {MclipError} `OFFLINE`, `NETWORK` with the status or the browser's reason; or the signal's own reason.
 */
export async function request(
  url: string,
  { settings, signal }: FetchOptions,
  headers: Record<string, string> = {},
): Promise<Response | null> {
  if (settings.offline && !/^(blob|data):/.test(url)) {
    throw new MclipError('OFFLINE', `offline is set and ${url} is not stored in this browser.`);
  }
  const fetch = settings.fetch ?? globalThis.fetch;
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: signal ?? null });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new MclipError(
      'NETWORK',
      `Cannot reach ${url}: ${(cause as Error).message} (no connection, no CORS headers, or connect-src forbids it).`,
      { cause },
    );
  }
  if (response.status === 404) return null;
  if (!response.ok) {
    const hint = response.status === 401 || response.status === 403 ? ' (a private repository needs headers)' : '';
    throw new MclipError('NETWORK', `${url} answered ${response.status} ${response.statusText}${hint}.`);
  }
  return response;
}
