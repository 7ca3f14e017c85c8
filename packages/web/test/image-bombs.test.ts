/** Pictures that claim to be huge, in Chromium: refused from their header, at once, on a page that goes on. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { curiousSvg, hugeByContent, hugeByHeader } from '../../../test/support/image-bombs.js';
import { TestSite } from './support/test-site.js';

const site = new TestSite();
let page: Page;

beforeAll(async () => {
  page = await site.open();
  await page.evaluate(async () => {
    Object.assign(globalThis, { embedder: await mclip.createEmbedder({ model: MODEL }) });
  });
});

afterAll(async () => {
  // the page has survived all of it
  expect(await embed('/examples/node-classify/images/cat.png')).toMatchObject({ value: 128 });
});

declare const embedder: Awaited<ReturnType<typeof mclip.createEmbedder>>;

/** Length of the embedding, or the error, and what it took. */
function embed(image: string | Uint8Array) {
  const sent = typeof image === 'string' ? image : { base64: Buffer.from(image).toString('base64') };
  return page.evaluate(async (sent) => {
    const bytes = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const image = typeof sent === 'string' ? sent : bytes(sent.base64);
    const start = performance.now();
    const { error, value } = await attempt(async () => (await embedder.encodeImage(image)).length);
    return { error, value, ms: performance.now() - start };
  }, sent);
}

/** Of the clock, on a busy machine. */
const AT_ONCE = 5000;

const KNOWS_NO_TIFF = ['TIFF'];
const DECODES_FIRST = ['JPEG whose size is far behind'];

test.each(await hugeByHeader())('%s', async (name, file) => {
  const { error, ms } = await embed(file);
  const isOther = KNOWS_NO_TIFF.includes(name) || DECODES_FIRST.includes(name);
  expect(error).toMatchObject({ code: isOther ? 'IMAGE_DECODE' : 'IMAGE_TOO_LARGE' });
  if (!isOther) expect(error!.message).toMatch(/\d{5,6}x\d{5,6}/);
  expect(ms).toBeLessThan(AT_ONCE);
});

test.each(await hugeByContent())('%s', async (_, file) => {
  const { error, value, ms } = await embed(file);
  if (error === undefined) expect(value).toBe(128);
  else expect(error.code).toBe('IMAGE_DECODE');
  expect(ms).toBeLessThan(AT_ONCE);
});

test('an SVG gets nothing from elsewhere', async () => {
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  const { error, value } = await embed(curiousSvg(site.plain.origin));
  if (error === undefined) expect(value).toBe(128);
  else expect(error).toMatchObject({ code: 'IMAGE_DECODE' });
  expect(asked.filter((url) => !url.startsWith('blob:'))).toEqual([]);
});
