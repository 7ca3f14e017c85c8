/** Starts processes that fetch files: one script with everything inside, so that each is up at once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FetchedFile } from '@mclip/core/adapter';
import { build } from 'esbuild';

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export interface Fetching {
  child: ChildProcess;
  /** What it printed; null when it was killed before. */
  outcome: Promise<{ hashes?: string[]; code?: string; message?: string } | null>;
}

export const fetchScript = () => childScript(path('./fetch-child.ts'));

/** A program in TypeScript as one script that node runs; the folder it is in is the caller's to remove. */
export async function childScript(source: string): Promise<string> {
  const outfile = join(await mkdtemp(join(tmpdir(), 'mclip-child-')), 'child.cjs');
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
    alias: {
      '@mclip/core/adapter': path('../../packages/core/src/adapter.ts'),
      '@mclip/core': path('../../packages/core/src/index.ts'),
    },
    define: { MCLIP_VERSION: '"test"' },
  });
  return outfile;
}

export function startFetching(
  script: string,
  job: { cacheDir: string; files: FetchedFile[]; texts?: string[]; retries?: number; hubUrl?: string },
  env: Record<string, string> = {},
): Fetching {
  const argument = JSON.stringify({ texts: [], ...job });
  const child = spawn(process.execPath, [script, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let printed = '';
  child.stdout!.on('data', (chunk) => {
    printed += chunk;
  });
  const outcome = new Promise<string>((resolve) => child.on('close', () => resolve(printed)));
  return { child, outcome: outcome.then((text) => (text === '' ? null : JSON.parse(text))) };
}
