/**
 * Makes a fresh clone ready: installs packages when the lock file changed, builds when sources are newer than the
 * last build. Uses Node alone, so that `npm run demo` and `npm test` work right after `git clone`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const installedLock = join(root, 'node_modules', '.mclip-installed-lock');
const builtMark = join(root, 'node_modules', '.mclip-built');

const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
if (!existsSync(installedLock) || readFileSync(installedLock, 'utf8') !== lock) {
  // not `npm ci`: it refuses a lock file without the optional binaries of platforms that a registry mirror does not carry
  run('Installing packages', 'npm', ['install', '--no-audit', '--no-fund', '--no-save']);
  writeFileSync(installedLock, lock);
}

const newest = Math.max(...sources().map((file) => statSync(file).mtimeMs));
if (!existsSync(builtMark) || statSync(builtMark).mtimeMs < newest) {
  run('Building', 'npm', ['run', '--silent', 'build']);
  writeFileSync(builtMark, '');
}

function sources() {
  const folders = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name));
  const files = folders.flatMap((folder) =>
    readdirSync(join(folder, 'src'), { recursive: true }).map((name) => join(folder, 'src', name)),
  );
  const isFile = (file) => statSync(file).isFile();
  return [
    ...files.filter(isFile),
    ...folders.map((folder) => join(folder, 'package.json')),
    join(root, 'tsup.config.ts'),
    ...['clip', 'vlm'].map((task) => join(root, 'packages/nano/models', task, 'mclip.json')), // in nano's code once built
  ];
}

function run(what, command, args) {
  console.error(`${what}: ${command} ${args.join(' ')}`);
  // npm is npm.cmd on Windows, which needs a shell
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    maxBuffer: 1 << 26,
  });
  if (status === 0) return;
  console.error(stdout, stderr);
  console.error(`${what} failed (exit code ${status}).`);
  process.exit(1);
}
