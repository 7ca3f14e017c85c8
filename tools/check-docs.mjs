/**
 * Type-checks the code of the documentation: every ts and js block of README.md, docs and the packages' READMEs, strict,
 * against the packages' sources. A block is a module of its own, on the lines it has in the document, so that errors
 * point there.
 *
 *   node tools/check-docs.mjs
 *
 * Words after the language: `continues` puts a block into a scope of its own inside the module of the block before it,
 * `no-check` leaves a fragment out.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = join(root, '.cache', 'check-docs');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

const documents = ['README.md', 'CONTRIBUTING.md', 'llms.txt', ...markdownIn('docs')];
for (const name of readdirSync(join(root, 'packages'))) documents.push(...markdownIn(join('packages', name)));

rmSync(scratch, { recursive: true, force: true });
mkdirSync(scratch, { recursive: true });
let checked = 0;
let skipped = 0;
for (const document of documents) {
  modulesOf(document).forEach(({ extension, lines }, index) => {
    writeFileSync(join(scratch, `${document.replaceAll(/[\\/]/g, '__')}.${index + 1}.${extension}`), lines.join('\n'));
  });
}
writeFileSync(
  join(scratch, 'tsconfig.json'),
  JSON.stringify({
    extends: relative(scratch, join(root, 'tsconfig.json')).replaceAll('\\', '/'),
    compilerOptions: { allowJs: true, checkJs: true, moduleDetection: 'force' },
    include: ['*'],
    exclude: [],
  }),
);

const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', scratch], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 1 << 26,
});
const errors = stdout.split('\n').filter((line) => /error TS\d+/.test(line));
const ours = errors.filter((line) => line.startsWith('.cache/check-docs/'));
for (const line of ours) console.error(asDocumentLine(line));
const elsewhere = errors.filter((line) => !ours.includes(line));
if (elsewhere.length > 0) console.error(`${elsewhere.length} errors outside the documents, the first: ${elsewhere[0]}`);
if (status !== 0 && errors.length === 0) console.error(stdout, stderr);
console.log(`${checked} blocks checked, ${skipped} marked no-check, ${ours.length} errors`);
process.exit(status === 0 ? 0 : 1);

function markdownIn(folder) {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.md'));
  return names.map((name) => join(folder, name));
}

/** Modules of a document; line `n` of a module is line `n` of the document. */
function modulesOf(document) {
  const modules = [];
  const text = readFileSync(join(root, document), 'utf8').split('\n');
  for (let start = 0; start < text.length; start++) {
    const fence = /^( *)(`{3,})(\S*)(.*)$/.exec(text[start]);
    if (fence === null) continue;
    const [, indent, ticks, language, words] = fence;
    let end = start + 1;
    while (end < text.length && text[end].trim() !== ticks) end++;
    const code = text.slice(start + 1, end).map((line) => line.slice(indent.length));
    if (/^(ts|js)$/.test(language)) add(modules, language, words, code, start);
    start = end;
  }
  return modules;
}

function add(modules, extension, words, code, fenceLine) {
  if (/\bno-check\b/.test(words)) {
    skipped++;
    return;
  }
  checked++;
  if (!/\bcontinues\b/.test(words)) {
    modules.push({ extension, lines: [...new Array(fenceLine + 1).fill(''), ...code] });
    return;
  }
  const { lines } = modules[modules.length - 1];
  while (lines.length < fenceLine) lines.push('');
  // imports belong to the module, not to a scope
  const imports = code.filter((line) => /^import .*;$/.test(line));
  lines[0] += imports.join(' ');
  lines.push('{', ...code.map((line) => (imports.includes(line) ? '' : line)), '}');
}

/** `.cache/check-docs/docs__x.md.1.ts(12,3): …` as `docs/x.md:12:3: …`. */
function asDocumentLine(line) {
  return line.replace(/^\.cache\/check-docs\/(.*)\.\d+\.[tj]s\((\d+),(\d+)\)/, (_, name, row, column) => {
    return `${name.replaceAll('__', '/')}:${row}:${column}`;
  });
}
