import { createRequire } from 'node:module';

/** Qwen2's tokenizer.json, from the merges that the tests keep. */
export async function qwen2TokenizerJson() {
  const source = new URL('../packages/core/test/text/qwen2-json.ts', import.meta.url);
  const { build } = await import(createRequire(import.meta.url).resolve('esbuild'));
  const { outputFiles } = await build({
    entryPoints: [source.pathname],
    bundle: true,
    format: 'esm',
    platform: 'node',
    define: { 'import.meta.url': JSON.stringify(source.href) }, // it reads a file beside itself
    write: false,
  });
  const module = `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`;
  return (await import(module)).qwen2Json();
}
