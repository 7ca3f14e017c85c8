/**
 * Leaks: memory is flat, and nothing is left after `dispose`.
 *
 *   npm run soak                 10,000 classifications and 50 create/dispose cycles in Node.js; 1,000 and 30 in Chromium
 *   npm run soak -- --short      1,000 and 20; 160 and 30: for CI
 *
 * Flat: the last quarter is within 5 % of the second. Node.js: resident memory and JavaScript heap, and the slope of the
 * latter, with which a leak of half a kilobyte a picture is seen in a short run too (bench/memory.mjs). Chromium:
 * page and workers together (packages/web/test/memory.test.ts).
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const short = process.argv.includes('--short');
const root = fileURLToPath(new URL('..', import.meta.url));
const run = (command, args, env = {}) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status === 0;

const inNode = run('node', [
  '--expose-gc',
  'bench/memory.mjs',
  '--check',
  ...['--images', short ? '1000' : '10000', '--cycles', short ? '20' : '50'],
]);
const inChromium = run('npx', ['vitest', 'run', 'packages/web/test/memory.test.ts', '--disable-console-intercept'], {
  MCLIP_CLASSIFICATIONS: short ? '160' : '1000',
});
console.log(`soak: Node.js ${inNode ? 'flat' : 'NOT FLAT'}, Chromium ${inChromium ? 'flat' : 'NOT FLAT'}`);
if (!inNode || !inChromium) process.exitCode = 1;
