// Makes what the benchmarks read, if it is missing or out of date, below tools/real/models: MobileCLIP2-S0 with its
// pictures (by setup.mjs), MobileCLIP2-S2 and FastVLM-0.5B (by tools/export) with transformers' answers.
//
//   npm run bench:models [-- --force]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const models = join(root, 'tools/real/models');
const stampFile = join(models, 'export-stamp.json');
const python = join(root, 'tools/.venv', process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
const force = process.argv.includes('--force');
const random = ['--random-weights', '0', '--out'];

/** Folder -> commands that make it; the last file that they write. */
const exported = {
  'mobileclip2-s2': {
    commands: [['-m', 'mclip_export', 'clip', '--model', 'MobileCLIP2-S2', ...random, join(models, 'mobileclip2-s2')]],
    last: 'mclip.json',
  },
  'fastvlm-0.5b': {
    commands: [
      ['-m', 'mclip_export', 'vlm', '--model', 'fastvlm-0.5b', ...random, join(models, 'fastvlm-0.5b')],
      [
        join(root, 'tools/goldens/fastvlm.py'),
        ...['--model', 'fastvlm-0.5b', '--out', join(models, 'fastvlm-0.5b', 'reference.json')],
      ],
    ],
    last: 'reference.json',
  },
};

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd });
  if (error || status !== 0) {
    console.error(`${command} ${args.join(' ')} failed: ${error?.message ?? `exit code ${status}`}`);
    process.exit(1);
  }
}

/** Fingerprint of everything that decides what is made. */
function sourcesSha256() {
  const folders = ['tools/export/mclip_export', 'tools/goldens'].map((folder) => join(root, folder));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => /\.(py|json)$/.test(name))
      .map((name) => join(folder, name)),
  );
  files.push(join(root, 'tools/export/requirements.txt'));
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(relative(root, file)).update(readFileSync(file));
  return hash.digest('hex');
}

const startedAt = Date.now();
run(process.execPath, [
  join(root, 'tools/real/setup.mjs'),
  '--models',
  'MobileCLIP2-S0',
  ...(force ? ['--force'] : []),
]);

const fingerprint = sourcesSha256();
const stamp = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
const isCurrent = (name) => stamp[name] === fingerprint && existsSync(join(models, name, exported[name].last));
const missing = Object.keys(exported).filter((name) => force || !isCurrent(name));
if (missing.length > 0) {
  run(python, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '-r',
    'tools/export/requirements.txt',
  ]);
}
for (const name of missing) {
  const began = Date.now();
  for (const args of exported[name].commands) run(python, args, join(root, 'tools/export'));
  writeFileSync(stampFile, `${JSON.stringify({ ...stamp, [name]: fingerprint }, null, 2)}\n`);
  stamp[name] = fingerprint;
  console.log(`${name}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
}
for (const name of Object.keys(exported).filter((one) => !missing.includes(one))) console.log(`${name} is up to date`);
console.log(`tools/real/models has what the benchmarks need, after ${((Date.now() - startedAt) / 1000).toFixed(0)} s`);
