import { createRequire } from 'node:module';

const core = new URL('../packages/core/', import.meta.url);

/** The peer reads a tokenizer.json; this is CLIP's, from our packed merges. */
export async function clipTokenizerJson() {
  const { build } = await import(createRequire(import.meta.url).resolve('esbuild'));
  const { outputFiles } = await build({
    entryPoints: [new URL('test/text/tokenizer-json.ts', core).pathname],
    bundle: true,
    format: 'esm',
    write: false,
  });
  const module = `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`;
  return (await import(module)).clipTokenizerJson();
}
