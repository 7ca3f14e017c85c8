/**
 * docs/demo.svg: what `npm run demo` prints, as a picture of a terminal. The text is the program's own output of this
 * run; only colours are added, for light and dark pages.
 *
 *   node tools/terminal-picture.mjs [--out docs/demo.svg]        after npm run build
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = process.argv.indexOf('--out');
const target = out === -1 ? join(root, 'docs', 'demo.svg') : resolve(process.argv[out + 1]);

const FONT_SIZE = 13;
const LINE_HEIGHT = 19;
const CHARACTER = FONT_SIZE * 0.61; // the widest of the usual monospaced fonts
const MARGIN = 20;
const TITLE_BAR = 34;

const { status, stdout, stderr } = spawnSync(process.execPath, ['examples/node-classify/main.mjs'], {
  cwd: root,
  encoding: 'utf8',
});
if (status !== 0) {
  console.error(stdout, stderr);
  process.exit(1);
}

const lines = ['$ npm run demo', '', ...stdout.trimEnd().split('\n')];
const columns = Math.max(...lines.map((line) => line.trimEnd().length));
const width = Math.ceil(columns * CHARACTER + 2 * MARGIN);
const height = TITLE_BAR + lines.length * LINE_HEIGHT + MARGIN;
writeFileSync(target, svg());
console.log(`${target}: ${lines.length} lines, ${width}x${height}`);

function svg() {
  const rows = lines.map((line, index) => {
    const y = TITLE_BAR + (index + 1) * LINE_HEIGHT - 4;
    return `  <text x="${MARGIN}" y="${y}" xml:space="preserve">${coloured(line.trimEnd())}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">
  <title id="title">Terminal: npm run demo and its output</title>
  <style>
    .window { fill: #fbfbfa; stroke: #d5d5d2 }
    .dot { fill: #d5d5d2 }
    text { font: ${FONT_SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #24292f; white-space: pre }
    .quiet { fill: #737b84 }
    .best { fill: #0f7b4f; font-weight: 600 }
    @media (prefers-color-scheme: dark) {
      .window { fill: #15191e; stroke: #333a42 }
      .dot { fill: #3d454e }
      text { fill: #d7dde3 }
      .quiet { fill: #8b949e }
      .best { fill: #57d39b }
    }
  </style>
  <rect class="window" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${[0, 1, 2].map((dot) => `  <circle class="dot" cx="${MARGIN + 4 + dot * 16}" cy="18" r="4.5"/>`).join('\n')}
${rows.join('\n')}
</svg>
`;
}

/** File and time stand back, the best label stands out; other lines are plain. */
function coloured(line) {
  if (line.startsWith('$ ')) return `<tspan class="quiet">$</tspan>${escaped(line.slice(1))}`;
  const result = /^(\S+\s+[\d.]+ ms)(\s+)(.*? %)(.*)$/.exec(line);
  if (result === null) return escaped(line);
  const [, before, gap, best, others] = result;
  return `<tspan class="quiet">${escaped(before)}</tspan>${escaped(gap)}<tspan class="best">${escaped(best)}</tspan>${escaped(others)}`;
}

/** As XML; spaces are kept also where white-space is not understood. */
function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(' ', '\u00a0');
}
