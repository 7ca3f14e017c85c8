import { defineConfig, type Options } from 'tsup';

const shared: Options = {
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  splitting: true,
  sourcemap: true,
  clean: true,
  treeshake: true,
  // tsup sets baseUrl for declarations, which TypeScript 6 calls deprecated
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  external: [/^@mclip\//, /^onnxruntime-/, 'sharp'],
};

const library = (name: string, entry: string[], options: Options = {}): Options => ({
  ...shared,
  name,
  entry: entry.map((file) => `packages/${name}/src/${file}.ts`),
  outDir: `packages/${name}/dist`,
  ...options,
});

export default defineConfig([
  library('core', ['index', 'adapter']),
  library('node', ['index', 'clip-worker', 'vlm-worker'], { platform: 'node' }),
  library('web', ['index', 'vite'], { clean: ['!worker/**'] }),
  // with core inside: a worker does not see the page's import map, and people who copy it have one folder to copy
  library('web', ['worker/clip-worker', 'worker/vlm-worker'], {
    name: 'web-worker',
    outDir: 'packages/web/dist/worker',
    platform: 'browser',
    external: [/^onnxruntime-web/],
    noExternal: [/^@mclip\/core/, 'onnxruntime-common'],
    // white space stays: without it esbuild drops the comments that tell bundlers which import to leave alone
    esbuildOptions: (options) => {
      options.minifySyntax = true;
      options.minifyIdentifiers = true;
    },
    dts: false,
  }),
  library('nano', ['index']),
]);
