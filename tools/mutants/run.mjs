/**
 * Breaks the handling of one fault at a time and runs the tests that should notice: a test that stays green proves
 * nothing.
 *
 *     npm run mutants [-- WORD ...]      those whose description or file has one of the words; all otherwise
 *
 * Everything happens in a copy of the repository, which is built anew for each: nothing here changes. An hour on two
 * cores.
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { devices } from './devices.mjs';
import { downloads } from './downloads.mjs';
import { lifeCycle } from './life-cycle.mjs';
import { security } from './security.mjs';
import { storage } from './storage.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** A mutant that hangs is noticed too; milliseconds. */
const PATIENCE = 600_000;

const TOOLS = { tsup: 'tsup/dist/cli-default.js', vitest: 'vitest/vitest.mjs' };

const words = process.argv.slice(2);
const isWanted = ({ what, file }) =>
  words.length === 0 || words.some((word) => what.includes(word) || file.includes(word));
const mutants = [...downloads, ...storage, ...security, ...devices, ...lifeCycle].filter(isWanted);

const copy = await copyOfRepository();
try {
  await build();
  const isGreen = new Map();
  for (const { test, only = '' } of mutants) {
    const name = `${test} ${only}`;
    if (isGreen.has(name)) continue;
    const { red, said } = await run(test, only);
    isGreen.set(name, !red);
    console.log(`without a mutant ${red ? `RED, ${said}` : 'green'}: ${name}`);
  }
  const unnoticed = [];
  for (const [index, mutant] of mutants.entries()) {
    const { what, test, only = '' } = mutant;
    if (!isGreen.get(`${test} ${only}`)) {
      unnoticed.push(what);
      continue;
    }
    const { red, said } = await tested(mutant);
    console.log(`${index + 1}/${mutants.length} ${red ? 'red' : 'GREEN'}: ${what}: ${said.slice(0, 200)}`);
    if (!red) unnoticed.push(what);
  }
  console.log(`${mutants.length - unnoticed.length} of ${mutants.length} mutants noticed`);
  if (unnoticed.length > 0) throw new Error(`not noticed:\n${unnoticed.join('\n')}`);
} finally {
  await rm(copy, { recursive: true });
}

async function tested({ file, search, replace, test, only = '' }) {
  const path = join(copy, 'packages', file);
  const source = await readFile(path, 'utf8');
  if (source.split(search).length !== 2) throw new Error(`${file} does not have exactly once: ${search}`);
  try {
    await writeFile(
      path,
      source.replace(search, () => replace),
    );
    if (!test.startsWith('packages/core/')) await build(); // core's own tests read its source
    return await run(test, only);
  } finally {
    await writeFile(path, source);
  }
}

/** What tests and pages read, its dependencies as links, and its own packages as if they were installed. */
async function copyOfRepository() {
  const folder = await mkdtemp(join(tmpdir(), 'mclip-mutants-'));
  const isOurs = (path) => !/\/node_modules(\/|$)/.test(path.slice(ROOT.length - 1));
  for (const name of [
    'bench',
    'packages',
    'test',
    'examples',
    'package.json',
    'tsconfig.json',
    'tsup.config.ts',
    'vitest.config.ts',
  ]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true, filter: isOurs });
  }
  await linkAll('node_modules', folder);
  for (const name of await readdir(join(ROOT, 'packages'))) {
    await linkAll(`packages/${name}/node_modules`, folder).catch(() => {}); // most have none
  }
  await rm(join(folder, 'node_modules/@mclip'), { force: true });
  await mkdir(join(folder, 'node_modules/@mclip'));
  for (const name of await readdir(join(ROOT, 'packages'))) {
    await symlink(join(folder, 'packages', name), join(folder, 'node_modules/@mclip', name));
  }
  return folder;
}

async function linkAll(name, folder) {
  const entries = await readdir(join(ROOT, name));
  await mkdir(join(folder, name), { recursive: true });
  for (const entry of entries) await symlink(join(ROOT, name, entry), join(folder, name, entry));
}

async function build() {
  const { code, printed } = await finished('tsup', ['--no-dts']);
  if (code !== 0) throw new Error(`It does not build: ${printed.slice(-2000)}`);
}

/** Whether a test failed, and which. */
async function run(test, only) {
  const { code, printed } = await finished('vitest', [
    'run',
    test,
    '--bail',
    '1',
    ...(only === '' ? [] : ['-t', only]),
  ]);
  if (code === null) return { red: true, said: 'it hangs' };
  const plain = stripVTControlCharacters(printed);
  const failed = [...plain.matchAll(/^ ?FAIL +(.*)$/gm)].map(([, name]) => name);
  const why = /^(?:\w*Error|Caused by): .*$/m.exec(plain)?.[0] ?? '';
  if (code === 0 && !/Tests +\d+ passed|Tests .*\d+ passed/.test(plain))
    throw new Error(`${test} ${only} runs no test`);
  return { red: code !== 0, said: code === 0 ? `${test} ${only}` : `${failed[0] ?? 'vitest failed'}: ${why}` };
}

function finished(tool, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, 'node_modules', TOOLS[tool]), ...args], {
      cwd: copy,
      detached: true,
    });
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed += text));
    const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), PATIENCE);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      try {
        process.kill(-child.pid, 'SIGKILL'); // processes that a mutant keeps from ending
      } catch {} // there are none
      resolve({ code, printed });
    });
  });
}
