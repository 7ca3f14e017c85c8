/**
 * Downloads every preset from the hub through @mclip/node and checks what came: each file's hash against the hub's own
 * listing, the graphs' inputs and outputs, one picture's answer against onnxruntime alone. For people with internet.
 *
 *   npm run verify:hub [-- --preset mobileclip2-s0] [--json] [--record] [--hub URL] [--cache FOLDER]
 *
 * --record writes the date of each preset that passed to docs/hub-verified.json and into docs/models.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { presets, vlmPresets } from '@mclip/core';
import { verifyCaptioner, verifyClip } from './check-preset.mjs';
import { hubTable, recordFile, writeHubTable } from './hub-table.mjs';

const args = process.argv.slice(2);
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const hub = (option('--hub') ?? 'https://huggingface.co').replace(/\/?$/, '/');
const cacheDir = option('--cache') ?? join(tmpdir(), 'mclip-verify-hub');
const all = { ...presets, ...vlmPresets };
const wanted = option('--preset')?.split(',') ?? Object.keys(all);
const unknown = wanted.find((name) => all[name] === undefined);
if (unknown !== undefined) {
  console.error(`Unknown preset '${unknown}'. Known: ${Object.keys(all).join(', ')}.`);
  process.exit(2);
}

const rows = [];
for (const name of wanted) {
  const preset = all[name];
  const began = performance.now();
  const check = preset.manifest.task === 'clip' ? verifyClip : verifyCaptioner;
  const row = { preset: name, repo: preset.repo, revision: preset.revision, ok: true, megabytes: 0, note: '' };
  try {
    Object.assign(row, await check({ name, preset, hub, cacheDir }));
  } catch (error) {
    Object.assign(row, { ok: false, note: `${error.code ? `${error.code}: ` : ''}${error.message}` });
  }
  row.seconds = (performance.now() - began) / 1000;
  rows.push(row);
  const figures = `${row.megabytes.toFixed(1).padStart(7)} MB ${row.seconds.toFixed(1).padStart(7)} s`;
  console.log(`${row.ok ? 'ok    ' : 'FAILED'} ${name.padEnd(16)} ${figures}  ${row.note}`);
}

if (args.includes('--record')) {
  const record = JSON.parse(readFileSync(recordFile, 'utf8'));
  const date = new Date().toISOString().slice(0, 10);
  for (const { preset, ok } of rows) if (ok) record[preset] = date;
  writeFileSync(recordFile, `${JSON.stringify(record, null, 2)}\n`);
  writeHubTable(hubTable(record));
}
if (args.includes('--json')) console.log(JSON.stringify({ hub, rows }));
process.exit(rows.every(({ ok }) => ok) ? 0 : 1); // sessions may still hold threads
