/** Packs the publishable packages as npm would. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Paths of the tarballs, one per package. */
export function packAll(folder) {
  return readdirSync(join(root, 'packages')).map((name) => {
    const args = ['pack', '--json', '--pack-destination', folder];
    const [{ filename, size }] = JSON.parse(run('npm', args, join(root, 'packages', name)));
    console.log(`${filename}  ${Math.round(size / 1024)} KB`);
    return join(folder, filename);
  });
}

/** Output of a command that must succeed. */
export function run(command, args, cwd = root, timeout = 600_000) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout });
  if (status === 0) return stdout;
  console.error(stdout, stderr, error ?? '');
  throw new Error(`${command} ${args.join(' ')} failed with ${status}`);
}
