// Makes what the benchmarks read, if it is missing or out of date, below tools/real/models: MobileCLIP2-S0 with its
// pictures (by setup.mjs), MobileCLIP2-S2 and FastVLM-0.5B (by tools/export). With --reference also transformers' answers,
// which tools/real/test/fastvlm.test.ts compares with; no benchmark reads them, and they take as long as everything else.
//
//   npm run bench:models [-- --force] [-- --reference]
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
const reference = join(models, 'fastvlm-0.5b', 'reference.json'); // goes with its folder when that is made anew

/** Folder -> what the exporter is asked for. */
const exported = {
  'mobileclip2-s2': ['clip', '--model', 'MobileCLIP2-S2'],
  'fastvlm-0.5b': ['vlm', '--model', 'fastvlm-0.5b'],
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
  const folder = join(root, 'tools/export/mclip_export');
  const files = readdirSync(folder, { recursive: true })
    .filter((name) => /\.(py|json)$/.test(name))
    .map((name) => join(folder, name));
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
const isCurrent = (name) => stamp[name] === fingerprint && existsSync(join(models, name, 'mclip.json'));
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
  const args = [...exported[name], '--random-weights', '0', '--out', join(models, name)];
  run(python, ['-m', 'mclip_export', ...args], join(root, 'tools/export'));
  writeFileSync(stampFile, `${JSON.stringify({ ...stamp, [name]: fingerprint }, null, 2)}\n`);
  stamp[name] = fingerprint;
  console.log(`${name}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
}
if (process.argv.includes('--reference') && !existsSync(reference)) {
  run(
    python,
    [join(root, 'tools/goldens/fastvlm.py'), '--model', 'fastvlm-0.5b', '--out', reference],
    join(root, 'tools/export'),
  );
}
for (const name of Object.keys(exported).filter((one) => !missing.includes(one))) console.log(`${name} is up to date`);
console.log(`tools/real/models has what the benchmarks need, after ${((Date.now() - startedAt) / 1000).toFixed(0)} s`);
