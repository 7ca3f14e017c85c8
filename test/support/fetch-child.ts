/** A process that fetches files into a store, for tests that kill it or start many: `{ cacheDir, files, texts }` in argv. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FetchedFile, resolveSettings } from '@mclip/core/adapter';
import { fetchFile, fetchText } from '../../packages/node/src/model-store.js';

const { files, texts, ...more } = JSON.parse(process.argv[2]!) as { files: FetchedFile[]; texts: string[] };
const settings = resolveSettings(more);

async function main() {
  const [paths] = await Promise.all([
    Promise.all(files.map((file) => fetchFile(file, { settings }))),
    Promise.all(texts.map((url) => fetchText(url, { settings, keep: true }))),
  ]);
  return paths.map((path) =>
    createHash('sha256')
      .update(readFileSync(path as string))
      .digest('hex'),
  );
}

main().then(
  (hashes) => console.log(JSON.stringify({ hashes })),
  ({ code, message }) => console.log(JSON.stringify({ code, message })),
);
