/**
 * Fails when the till's first load is over its budget: 60 kB of script, 100 kB with page and styles, both gzipped; the
 * console's is 120 kB of script.
 * The first load is what till.html names; rooms and dialogs come when they are opened, and are only told.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET = { script: 60_000, all: 100_000 };
const CONSOLE = 120_000;
const dist = new URL('../dist/', import.meta.url);

if (!existsSync(new URL('till.html', dist))) {
  console.error('There is no built page: run scripts/web first.');
  process.exit(1);
}

const page = readFileSync(new URL('till.html', dist), 'utf8');
const first = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1]);
const gzipped = (name) => gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length;
const weigh = (names) => names.reduce((sum, name) => sum + gzipped(name), 0);
const later = readdirSync(new URL('assets/', dist)).map((name) => `assets/${name}`).filter((name) => !first.includes(name));
const weights = { script: weigh(first.filter((name) => name.endsWith('.js'))), all: weigh(['till.html', ...first]) };

let over = first.length === 0;
for (const [what, bytes] of Object.entries(weights)) {
  const fits = bytes <= BUDGET[what];
  over ||= !fits;
  console.log(`${what.padEnd(7)} ${(bytes / 1000).toFixed(1).padStart(6)} kB of ${BUDGET[what] / 1000} kB gzipped${fits ? '' : '  TOO BIG'}`);
}
console.log(`later   ${(weigh(later) / 1000).toFixed(1).padStart(6)} kB gzipped in ${later.length} files, when they are opened`);
const desk = readFileSync(new URL('admin.html', dist), 'utf8');
const scripts = [...desk.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1]);
const ofDesk = weigh(scripts);
const fits = scripts.length > 0 && ofDesk <= CONSOLE;
console.log(`console ${(ofDesk / 1000).toFixed(1).padStart(6)} kB of ${CONSOLE / 1000} kB gzipped${fits ? '' : '  TOO BIG'}`);
process.exit(over || !fits ? 1 : 0);
