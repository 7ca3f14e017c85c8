/** A page with the decoder's source, which the package does not export, and files to decode. */
import type { ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { launchChromium, openPage } from './browser.js';
import { startServer } from './server.js';

export interface DecodePage {
  page: Page;
  browser: Browser;
  close(): Promise<void>;
}

/** The page has `decoding.decodeImage`, `decoding.preprocessParts` and the files under `/files/`. */
export async function openDecodePage(files: Record<string, Buffer>): Promise<DecodePage> {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        export { decodeImage } from './web/src/decode-image.ts';
        export { preprocessParts } from './core/src/image/preprocess-parts.ts';`,
      resolveDir: fileURLToPath(new URL('../../..', import.meta.url)),
    },
    define: { MCLIP_VERSION: '""' },
    bundle: true,
    format: 'esm',
    write: false,
  });
  const send = (type: string, content: Buffer | string) => (_request: unknown, response: ServerResponse) =>
    void response.setHeader('content-type', type).end(content);
  const routes = Object.entries(files).map(([name, content]) => [`/files/${name}`, send('', content)] as const);
  const [browser, server] = await Promise.all([
    launchChromium(),
    startServer({
      routes: { ...Object.fromEntries(routes), '/decoding.js': send('text/javascript', outputFiles[0]!.text) },
    }),
  ]);
  const page = await openPage(browser, server.origin);
  await page.addScriptTag({
    type: 'module',
    content: "globalThis.decoding = await import('/decoding.js');",
  });
  await page.waitForFunction(() => 'decoding' in globalThis);
  return { page, browser, close: async () => void (await Promise.all([browser.close(), server.close()])) };
}
