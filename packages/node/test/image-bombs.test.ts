/** Pictures that claim to be huge are refused from their header: at once, in little memory, with a typed error. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MclipError } from '@mclip/core';
import { expect, onTestFinished, test } from 'vitest';
import { curiousSvg, hugeByContent, hugeByHeader } from '../../../test/support/image-bombs.js';
import { decodeImage } from '../src/decode-image.js';

const options = { maxPixels: 100_000_000 };

/** How it ended, and what it took of the processor and left of memory. */
async function decoded(bytes: Uint8Array) {
  const memory = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const outcome = await decodeImage({ kind: 'bytes', bytes }, options).catch((error: unknown) => error);
  const { user, system } = process.cpuUsage(cpu);
  return { outcome, ms: (user + system) / 1000, megabytes: (process.memoryUsage.rss() - memory) / 2 ** 20 };
}

test.each(await hugeByHeader())('%s', async (name, file) => {
  const { outcome, ms, megabytes } = await decoded(file);
  expect(outcome).toBeInstanceOf(MclipError);
  expect(outcome).toMatchObject({ code: 'IMAGE_TOO_LARGE', message: expect.stringMatching(/\d{5,6}x\d{5,6}/) });
  expect(ms, `${name}: ${ms} ms`).toBeLessThan(500);
  expect(megabytes, `${name}: ${megabytes} MB`).toBeLessThan(32);
});

test.each(await hugeByContent())('%s', async (name, file) => {
  const { outcome, ms, megabytes } = await decoded(file);
  if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'IMAGE_DECODE' });
  else expect(outcome).toMatchObject({ width: expect.any(Number), height: expect.any(Number) });
  expect(ms, `${name}: ${ms} ms`).toBeLessThan(2000);
  expect(megabytes, `${name}: ${megabytes} MB`).toBeLessThan(64);
});

test('an SVG gets nothing from elsewhere', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { outcome } = await decoded(curiousSvg(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'IMAGE_DECODE' });
  else expect(outcome).toMatchObject({ width: 20, height: 10 });
  expect(asked).toEqual([]);
});
