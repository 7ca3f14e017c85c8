/** A page with the decoder's source, which the package does not export, and files to decode. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import type { TestSite } from './test-site.js';

/** The page has `decoding.decodeImage`, `decoding.preprocessParts` and, below `/files/`, what is put there by its name. */
export async function openDecodePage(site: TestSite, files: Record<string, Buffer>): Promise<Page> {
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
  site.files['/decoding.js'] = outputFiles[0]!.text;
  for (const [name, content] of Object.entries(files)) site.files[`/files/${name}`] = content;
  const page = await site.open();
  await page.addScriptTag({
    type: 'module',
    content: "globalThis.decoding = await import('/decoding.js');",
  });
  await page.waitForFunction(() => 'decoding' in globalThis);
  return page;
}
