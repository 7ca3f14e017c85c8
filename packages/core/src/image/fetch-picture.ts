import { MclipError } from '../errors.js';
import type { FetchOptions } from '../platform.js';
import type { Network } from '../store/request.js';

/**
 * The file at a picture's http(s) URL. The code of requests comes when it is needed.
 *
 * @throws {MclipError} `IMAGE_DECODE` when there is nothing; `OFFLINE`, `NETWORK`; or the signal's own reason
 */
export async function fetchPicture(url: string, options: FetchOptions, network: Network): Promise<Blob> {
  const { request } = await import('../store/request.js');
  const settings = { ...options.settings, allowHttp: true }; // a picture is not a model
  const response = await request(url, { ...options, settings }, network);
  if (response === null) throw new MclipError('IMAGE_DECODE', `No image at ${url} (404).`);
  return response.blob().catch((cause: unknown) => {
    options.signal?.throwIfAborted();
    throw new MclipError('NETWORK', `The download of ${url} broke off.`, { cause });
  });
}
