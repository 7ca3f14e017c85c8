// Makes what `npm run test:real` and `npm run bench:models` need, if it is missing or out of date:
// tools/.venv from requirements.txt, then tools/real/models from make_models.py.
//
//   node tools/real/setup.mjs [--models MobileCLIP2-S0 ...] [--force]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const venv = join(here, '..', '.venv');
const windows = process.platform === 'win32';
const python = windows ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');
const requirements = join(here, 'requirements.txt');
const stampFile = join(here, 'models', 'stamp.json');
const defaults = ['MobileCLIP2-S0', 'MobileCLIP-S0', 'MobileCLIP-B'];

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error || status !== 0) {
    console.error(`${basename(command)} ${args.join(' ')} failed: ${error?.message ?? `exit code ${status}`}`);
    process.exit(1);
  }
}

function sha256(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** The same fingerprint as `sources_sha256` in make_models.py. */
function sourcesSha256() {
  const names = readdirSync(here).filter((name) => name.endsWith('.py') || name === 'requirements.txt');
  return sha256(names.sort().map((name) => join(here, name)));
}

function ensureEnvironment() {
  const marker = join(venv, 'real-requirements.sha256');
  const wanted = sha256([requirements]);
  if (existsSync(python) && existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return;
  if (!existsSync(python)) {
    console.log(`Making ${venv} (PyTorch and friends: about 4 GB, once) ...`);
    run(process.env.PYTHON ?? (windows ? 'python' : 'python3'), ['-m', 'venv', venv]);
  }
  run(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', '-r', requirements]);
  writeFileSync(marker, wanted);
}

function missingModels(wanted) {
  if (!existsSync(stampFile)) return wanted;
  const stamp = JSON.parse(readFileSync(stampFile, 'utf8'));
  if (stamp.sources !== sourcesSha256()) return wanted;
  return wanted.filter((name) => !stamp.models.includes(name));
}

const args = process.argv.slice(2);
const force = args.includes('--force');
const named = args.filter((arg) => !arg.startsWith('--'));
const wanted = named.length > 0 ? named : defaults;
const missing = force ? wanted : missingModels(wanted);

if (missing.length === 0) {
  console.log(`tools/real/models is up to date: ${wanted.join(', ')}`);
} else {
  ensureEnvironment();
  run(python, [join(here, 'make_models.py'), '--models', ...missing]);
}
