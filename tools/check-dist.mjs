/**
 * What must not be in the built packages: code made of text (a strict Content-Security-Policy forbids it), and FastVLM's
 * code in the worker of a classifier.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const found = [];

for (const name of ['core', 'node', 'web', 'nano']) {
  const dist = join(root, 'packages', name, 'dist');
  const scripts = readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.js'));
  if (scripts.length === 0) throw new Error(`${dist} is empty: npm run build`);
  for (const script of scripts) {
    const path = join(dist, script);
    const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
    lookForCodeOfText(source, source);
  }
}

const worker = join(root, 'packages/web/dist/worker');
const maps = readdirSync(worker).filter((file) => file.endsWith('.js.map'));
if (!maps.includes('clip-worker.js.map')) throw new Error(`${worker} has no source map to check`);
for (const map of maps) {
  const { sources } = JSON.parse(readFileSync(join(worker, map), 'utf8'));
  const foreign = sources.filter((source) => /\/vlm\/|\/qwen2-/.test(source));
  if (foreign.length > 0) found.push(`${join(worker, map)}: ${foreign.join(', ')}`);
}

if (found.length > 0) throw new Error(`Not allowed in dist:\n${found.join('\n')}`);
console.log('dist: no code made of text, no FastVLM in the worker of classifiers');

function lookForCodeOfText(node, source) {
  const called = (ts.isCallExpression(node) || ts.isNewExpression(node)) && node.expression;
  const name = called && (ts.isIdentifier(called) ? called.text : '');
  const timerOfText = /^set(Timeout|Interval)$/.test(name) && ts.isStringLiteralLike(node.arguments[0]);
  if (name === 'eval' || name === 'Function' || timerOfText) {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    found.push(`${source.fileName}:${line + 1}: ${node.getText(source).slice(0, 80)}`);
  }
  ts.forEachChild(node, (child) => lookForCodeOfText(child, source));
}
