/** Requests as a browser makes them: it follows redirects on its own, and tells afterwards where it was led to. */
import { expect, test } from 'vitest';
import { resolveSettings } from '../../src/configure.js';
import { type Network, request } from '../../src/store/request.js';

const BROWSER: Network = {
  fetch: async () => globalThis.fetch,
  ownOrigin: 'http://app.example',
  otherSchemes: true,
  followsRedirects: false,
  transferHeaders: {},
  sendsIfRange: false,
  unreachableHint: '',
};

/** A request that ends at another address. */
function ledTo(url: string, more: object = {}) {
  const asked: RequestInit[] = [];
  const fetch: typeof globalThis.fetch = async (_, init) => {
    asked.push(init!);
    return Object.defineProperty(new Response('x'), 'url', { value: url });
  };
  const settings = resolveSettings({ fetch, ...more });
  return { asked, response: request('https://models.example/x.onnx', { settings }, BROWSER) };
}

test('a redirect to http: of another machine is refused after the browser followed it', async () => {
  await expect(ledTo('http://other.example/x.onnx').response).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('allowHttp'),
  });
});

test.each([
  ['https: anywhere', 'https://cdn.example/x.onnx', {}],
  ['http: of the page itself', 'http://app.example/x.onnx', {}],
  ['http: when it is allowed', 'http://other.example/x.onnx', { allowHttp: true }],
])('%s is taken, and the browser was asked to follow', async (_, url, more) => {
  const { asked, response } = ledTo(url, more);
  expect(await (await response)!.text()).toBe('x');
  expect(asked.map(({ redirect }) => redirect)).toEqual(['follow']);
});
