/** Which requests are made for a model file, how often, where to and with what. */
import { expect, test } from 'vitest';
import { always, CONTENT, expectWhole, faults, fetches, file, get, hub, NAME, parts } from './support/faulty-store.js';

test.each([408, 429, 500, 502, 503, 504])('status %i is tried again', async (status) => {
  faults({ do: 'status', status }, { do: 'status', status });
  await expectWhole(await get());
  expect(fetches()).toHaveLength(3);
});

test.each([
  [401, 'NETWORK', 'headers'],
  [403, 'NETWORK', '403'],
  [404, 'MODEL_NOT_FOUND', NAME],
])('status %i is not', async (status, code, part) => {
  always({ do: 'status', status });
  await expect(get()).rejects.toMatchObject({ code, message: expect.stringContaining(part) });
  expect(fetches()).toHaveLength(1);
  expect(await parts()).toEqual([]);
});

test('tries are bounded', async () => {
  always({ do: 'status', status: 503 });
  await expect(get({ retries: 2 })).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('503') });
  expect(fetches()).toHaveLength(3);
});

test('tries that gain next to nothing are bounded too', async () => {
  hub.fault = ({ server, before }) => (server === 'cdn' ? { do: 'drop', at: 10 * (before + 1) } : null);
  await expect(get({ retries: 2 })).rejects.toMatchObject({ code: 'NETWORK' });
  expect(fetches()).toHaveLength(3);
});

test.each([
  ['seconds', () => '1'],
  ['a date', () => new Date(Date.now() + 2000).toUTCString()],
])('Retry-After in %s is waited for', async (_, header) => {
  faults({ do: 'status', status: 429, headers: { 'retry-after': header() } });
  const start = performance.now();
  await expectWhole(await get());
  expect(performance.now() - start).toBeGreaterThan(900);
});

test('Retry-After beyond reason is an error that says so', async () => {
  faults({ do: 'status', status: 503, headers: { 'retry-after': '3600' } });
  await expect(get()).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('3600 seconds') });
});

test('a hub that cannot be reached', async () => {
  const wanted = { ...file, url: 'http://127.0.0.1:9/big.onnx' };
  await expect(get({ retries: 1 }, wanted)).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('127.0.0.1:9'),
  });
});

test('redirects are followed, loops are not', async () => {
  hub.fault = ({ server }) => (server === 'hub' ? { do: 'redirect', to: file.url } : null);
  await expect(get()).rejects.toMatchObject({ code: 'NETWORK', message: expect.stringContaining('redirects') });
  expect(hub.requests).toHaveLength(11);
});

test('no header of the caller follows a redirect to another origin', async () => {
  const headers = { authorization: 'Bearer secret', 'x-api-key': 'secret', cookie: 'secret' };
  faults({ do: 'drop', at: 500_000 });
  await expectWhole(await get({ headers }));
  const at = (server: string) => hub.requests.filter((request) => request.server === server);
  for (const request of at('hub')) expect(request.headers).toMatchObject(headers);
  expect(at('cdn')).toHaveLength(2);
  for (const request of at('cdn')) expect(JSON.stringify(request.headers)).not.toContain('secret');
});

test.each([
  ['http://example.com/big.onnx', 'allowHttp'],
  ['http://127.0.0.1.example.com/big.onnx', 'allowHttp'],
  ['ftp://example.com/big.onnx', 'Only http'],
])('%s is refused', async (url, part) => {
  const refuse = async () => {
    throw new Error('was asked for');
  };
  const refused = get({ fetch: refuse }, { ...file, url });
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(part) });
});

test('http: is allowed when asked for, and a redirect to it is not otherwise', async () => {
  const answer: typeof fetch = async () => new Response(CONTENT);
  await get({ fetch: answer, allowHttp: true }, { ...file, url: 'http://example.com/big.onnx' });
  const redirect: typeof fetch = async () =>
    new Response(null, { status: 302, headers: { location: 'http://example.com/y' } });
  const led = get({ fetch: redirect }, { ...file, url: 'https://example.com/x.onnx' });
  await expect(led).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('allowHttp') });
});
