/**
 * The Vite plugin: `plugins: [mclip()]`. Vite's dev server would pre-bundle these packages and lose the worker and the
 * model files beside them, and its build cannot split a worker unless it is an ES module.
 */
export function mclip() {
  return {
    name: 'mclip',
    config: () => ({
      optimizeDeps: { exclude: ['@mclip/web', '@mclip/nano', 'onnxruntime-web'] },
      worker: { format: 'es' as const },
    }),
  };
}
