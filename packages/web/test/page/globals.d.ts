// What page/main.js puts on the page, as the functions given to page.evaluate see it.
import type * as library from '@mclip/web';

declare global {
  const mclip: typeof library;
  const nanoClip: import('@mclip/core').BundledModel; // of bundled-page only
  const LABELS: string[];
  const MODEL: string;
  const bytesOf: (url: string) => Promise<Uint8Array<ArrayBuffer>>;
  function attempt<T>(
    work: () => T,
  ): Promise<{ value?: Awaited<T>; error?: { name: string; code?: string; message: string } }>;
}
