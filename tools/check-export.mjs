/**
 * Lints and tests tools/export on its tiny networks, if it changed since it last passed: PyTorch is 6 GB to install.
 * What passed is tools/export/passed.sha256, which is committed with the change.
 *
 *   npm run check:export [-- --force]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const tools = dirname(fileURLToPath(import.meta.url));
const folder = join(tools, 'export');
const passed = join(folder, 'passed.sha256');
const venv = join(tools, '.venv');
const windows = process.platform === 'win32';
const python = windows ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');

/** Of everything that lint and tests depend on. */
function sourcesSha256() {
  const names = ['mclip_export', 'tests'].flatMap((name) =>
    readdirSync(join(folder, name), { recursive: true }).map((file) => join(name, file).replaceAll('\\', '/')),
  );
  const files = [...names, ...readdirSync(folder)].filter((name) => /\.(py|toml|txt|json)$/.test(name)).sort();
  const hash = createHash('sha256');
  for (const name of files) hash.update(`${name}\n`).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd: folder });
  if (error || status !== 0) {
    console.error(`${command} ${args.join(' ')} failed: ${error?.message ?? `exit code ${status}`}`);
    process.exit(1);
  }
}

const current = sourcesSha256();
if (!process.argv.includes('--force') && existsSync(passed) && readFileSync(passed, 'utf8').trim() === current) {
  console.log('tools/export has not changed since its checks passed');
} else {
  const startedAt = Date.now();
  if (!existsSync(python)) run(process.env.PYTHON ?? (windows ? 'python' : 'python3'), ['-m', 'venv', venv]);
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements-dev.txt']);
  console.log(`Python packages are there after ${((Date.now() - startedAt) / 1000).toFixed(0)} s`);
  run(python, ['-m', 'ruff', 'check', '.']);
  run(python, ['-W', 'ignore', '-m', 'pytest', '--quiet', '-p', 'no:cacheprovider']);
  writeFileSync(passed, `${current}\n`);
  console.log(`tools/export passed after ${((Date.now() - startedAt) / 1000).toFixed(0)} s: commit ${passed}`);
}
