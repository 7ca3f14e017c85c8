/** How Node.js makes requests: through a proxy where the environment names one, redirects by hand. */
import { MclipError } from '@mclip/core';
import type { Network } from '@mclip/core/adapter';

const PROXIES = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'];

export const nodeNetwork: Network = {
  async fetch() {
    if (!PROXIES.some((name) => process.env[name])) return globalThis.fetch;
    proxied ??= proxiedFetch();
    return proxied;
  },
  ownOrigin: null,
  otherSchemes: false,
  followsRedirects: true,
  transferHeaders: { 'accept-encoding': 'identity' }, // lengths and ranges are those of the file itself
  sendsIfRange: true,
  unreachableHint: '',
};

let proxied: Promise<typeof globalThis.fetch> | undefined;

/** `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, which Node's own fetch does not look at. */
async function proxiedFetch(): Promise<typeof globalThis.fetch> {
  try {
    const { EnvHttpProxyAgent, fetch } = await import('undici');
    const dispatcher = new EnvHttpProxyAgent();
    return ((url: string, init: object) => fetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  } catch (cause) {
    const message =
      'A proxy is set in the environment, and reaching it needs the package undici: npm install undici@6.';
    throw new MclipError('NETWORK', `${message} Or give a fetch of your own (configure).`, { cause });
  }
}
