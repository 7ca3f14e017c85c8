/** One HTTP GET under the settings: offline, custom fetch; failures as typed errors. */
import { MclipError } from '@mclip/core';
import type { FetchOptions } from '@mclip/core/adapter';

/**
 * The response, or null for 404.
 *
 * @param headers sent along; the `headers` setting is for model files only, or a token would go to any image's host
 * @throws {MclipError} `OFFLINE`, `NETWORK` with the status or the socket's error; or the signal's own reason.
 */
export async function request(
  url: string,
  { settings, signal }: FetchOptions,
  headers: Record<string, string> = {},
): Promise<Response | null> {
  if (settings.offline) {
    throw new MclipError('OFFLINE', `offline is set and ${url} is not stored on this machine.`);
  }
  const { protocol } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') {
    throw new MclipError('INVALID_ARGUMENT', `Only http: and https: are fetched, got ${url}.`);
  }
  const fetch = settings.fetch ?? globalThis.fetch;
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: signal ?? null });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new MclipError('NETWORK', `Cannot reach ${url}: ${reason(cause)}.`, { cause });
  }
  if (response.status === 404) return null;
  if (!response.ok) {
    const hint = response.status === 401 || response.status === 403 ? ' (a private repository needs headers)' : '';
    throw new MclipError('NETWORK', `${url} answered ${response.status} ${response.statusText}${hint}.`);
  }
  return response;
}

function reason(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
