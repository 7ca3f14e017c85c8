/**
 * What a user gets from npm: packs every package, lints the tarballs, installs them in an empty project, and runs an
 * ESM script and a strict TypeScript program there, which must classify and exit by themselves.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packAll, root, run } from './pack.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'mclip-packages-'));
const project = join(scratch, 'project');

const tarballs = packAll(scratch);

for (const tarball of tarballs) {
  run('npx', ['publint', 'run', tarball, '--strict']);
  // the worker is a script to point at, not a module with types
  run('npx', ['attw', tarball, '--profile', 'esm-only', '--format', 'ascii', '--exclude-entrypoints', './clip-worker']);
}
console.log('publint and attw: clean');

mkdirSync(project);
copyFileSync(join(root, '.npmrc'), join(project, '.npmrc'));
copyFileSync(join(root, 'examples/node-classify/images/strawberry.png'), join(project, 'strawberry.png'));
writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
const wanted = tarballs.filter((path) => !/mclip-web-/.test(path));
run(
  'npm',
  [
    'install',
    '--no-audit',
    '--no-fund',
    ...wanted,
    `typescript@${version('typescript')}`,
    `@types/node@${version('@types/node')}`,
  ],
  project,
);

const program = (annotations) => `
import { nanoClip } from '@mclip/nano';
import { createClassifier${annotations ? ', type Classification, type Classifier, MclipError' : ''} } from '@mclip/node';

const classifier${annotations ? ': Classifier' : ''} = await createClassifier(['cat', 'strawberry', 'rocket'], { model: nanoClip });
const results${annotations ? ': Classification[]' : ''} = await classifier.classify('strawberry.png', { topK: 2 });
console.log(results[0]?.label, classifier.device.name);
${annotations ? "const failed: unknown = await classifier.classify('none.png').catch((error: unknown) => error);\nif (!(failed instanceof MclipError) || failed.code !== 'IMAGE_DECODE') throw failed;" : ''}
await classifier.dispose();
`;
writeFileSync(join(project, 'script.mjs'), program(false));
writeFileSync(join(project, 'program.ts'), program(true));
writeFileSync(
  join(project, 'tsconfig.json'),
  JSON.stringify({
    compilerOptions: {
      target: 'es2022',
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types: ['node'],
      outDir: 'out',
      rootDir: '.',
    },
    files: ['program.ts'],
  }),
);
expectAnswer('ESM script', run('node', ['script.mjs'], project, 60_000));
run('npx', ['tsc'], project);
expectAnswer('strict TypeScript', run('node', ['out/program.js'], project, 60_000));
rmSync(scratch, { recursive: true });

function expectAnswer(what, output) {
  if (output.trim() !== 'strawberry cpu') throw new Error(`${what} printed ${JSON.stringify(output)}`);
  console.log(`${what} in an empty project: ${output.trim()}, and the process exited`);
}

function version(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}
