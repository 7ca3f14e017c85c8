import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig, type Options } from 'tsup';

const { version } = JSON.parse(readFileSync(new URL('packages/core/package.json', import.meta.url), 'utf8'));

/** tsup sets baseUrl for declarations, which TypeScript 6 calls deprecated. */
function declarations(name?: string, entry: string[] = []): NonNullable<Options['dts']> {
  const compilerOptions = { ignoreDeprecations: '6.0' };
  if (name === undefined) return { compilerOptions };
  return { compilerOptions, entry: entry.map((file) => `packages/${name}/src/${file}.ts`) };
}

const shared: Options = {
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  splitting: true,
  sourcemap: true,
  clean: true,
  treeshake: true,
  dts: declarations(),
  define: { MCLIP_VERSION: JSON.stringify(version) },
  external: [/^@mclip\//, /^onnxruntime-/, 'sharp'],
};

/** What a package imports when it is needed: files named for what they hold, after which a bundler names its own. */
function onDemand(name: string): string[] {
  const folder = `packages/${name}/src`;
  const found = new Set<string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    for (const [, path] of readFileSync(join(folder, file), 'utf8').matchAll(/\bimport\('(\.[^']+)\.js'\)/g)) {
      found.add(join(dirname(file), path!));
    }
  }
  return [...found];
}

const library = (name: string, entry: string[], options: Options = {}): Options => ({
  ...shared,
  name,
  entry: entry.map((file) => `packages/${name}/src/${file}.ts`),
  outDir: `packages/${name}/dist`,
  ...options,
});

/**
 * With core inside: a worker does not see the page's import map, and people who copy it have one folder to copy. Each in
 * a folder of its own: webpack breaks workers that have files in common.
 */
const webWorker = (entry: string, folder: string): Options =>
  library('web', [`worker/${entry}`], {
    name: `web-${entry}`,
    outDir: `packages/web/dist/${folder}`,
    platform: 'browser',
    external: [/^onnxruntime-web/],
    noExternal: [/^@mclip\/core/, 'onnxruntime-common'],
    // white space stays: without it esbuild drops the comments that tell bundlers which import to leave alone
    esbuildOptions: (options) => {
      options.minifySyntax = true;
      options.minifyIdentifiers = true;
    },
    dts: false,
    onSuccess: async () => removeUnreached(`packages/web/dist/${folder}`, `${entry}.js`),
  });

/** esbuild writes what the part of core that it left out would load, too. */
function removeUnreached(folder: string, entry: string): void {
  const reached = new Set([entry]);
  for (const file of reached) {
    for (const [, next] of readFileSync(`${folder}/${file}`, 'utf8').matchAll(/["']\.\/([\w-]+\.js)["']/g)) {
      reached.add(next!);
    }
  }
  for (const file of readdirSync(folder)) if (!reached.has(file.replace(/\.map$/, ''))) rmSync(`${folder}/${file}`);
}

export default defineConfig([
  // 'index' and 'adapter' are to be imported, the others are for how the code is divided: what a page that classifies
  // needs from its start lies apart from what it loads later, and from captions
  library(
    'core',
    [
      'index',
      'adapter',
      'clip/classifier',
      'vlm/captioner',
      'image/portable-pixels',
      'onnx/on-cpu',
      'image/fetch-picture',
      'image/pixel-reader',
      ...onDemand('core'),
    ],
    {
      dts: declarations('core', ['index', 'adapter']),
    },
  ),
  library('node', ['index', 'clip-worker', 'vlm-worker'], { platform: 'node' }),
  // with its hash inside: a page without a bundler would need it in its import map
  library('web', ['index', 'vite', ...onDemand('web')], {
    noExternal: ['hash-wasm'],
    dts: declarations('web', ['index', 'vite']),
    clean: ['!worker/**', '!vlm-worker/**'],
  }),
  webWorker('clip-worker', 'worker'),
  webWorker('vlm-worker', 'vlm-worker'),
  library('nano', ['index']),
]);
