/** The table of docs/models.md that says which presets were downloaded and checked, from docs/hub-verified.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const recordFile = fileURLToPath(new URL('../../docs/hub-verified.json', import.meta.url));
const docs = fileURLToPath(new URL('../../docs/models.md', import.meta.url));
const BLOCK = /(<!-- verify:hub -->\n)[\s\S]*?(<!-- \/verify:hub -->)/;

/** `record`: preset -> date, or null. */
export function hubTable(record) {
  const rows = Object.entries(record).map(
    ([name, date]) => `| \`${name}\` | ${date === null ? 'not yet verified' : `verified on ${date}`} |`,
  );
  return ['| preset | |', '|---|---|', ...rows, ''].join('\n');
}

/** What docs/models.md has now. */
export function writtenHubTable() {
  return BLOCK.exec(readFileSync(docs, 'utf8'))?.[0].split('\n').slice(1, -1).join('\n').concat('\n');
}

export function writeHubTable(table) {
  writeFileSync(docs, readFileSync(docs, 'utf8').replace(BLOCK, `$1${table}$2`));
}
