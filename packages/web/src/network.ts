import type { Network } from '@mclip/core/adapter';

/** How a page makes requests: the browser follows redirects, and decides about origins. */
export const webNetwork: Network = {
  fetch: async () => globalThis.fetch,
  get ownOrigin() {
    return globalThis.location?.origin ?? null;
  },
  otherSchemes: true,
  followsRedirects: false,
  transferHeaders: {},
  sendsIfRange: false,
  unreachableHint: ' (no connection, no CORS headers, or connect-src forbids it)',
};
