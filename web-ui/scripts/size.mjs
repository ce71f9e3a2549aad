/** Fails when the till's first load is over its budget: 60 kB of script, 100 kB with styles, both gzipped. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET = { script: 60_000, all: 100_000 };
const dist = new URL('../dist/', import.meta.url);

if (!existsSync(new URL('till.html', dist))) {
  console.error('There is no built page: run scripts/web first.');
  process.exit(1);
}

const files = ['till.html', ...readdirSync(new URL('assets/', dist)).map((name) => `assets/${name}`)];
const weigh = (of) => of.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length, 0);
const weights = { script: weigh(files.filter((name) => name.endsWith('.js'))), all: weigh(files) };

let over = false;
for (const [what, bytes] of Object.entries(weights)) {
  const fits = bytes <= BUDGET[what];
  over ||= !fits;
  console.log(`${what.padEnd(7)} ${(bytes / 1000).toFixed(1).padStart(6)} kB of ${BUDGET[what] / 1000} kB gzipped${fits ? '' : '  TOO BIG'}`);
}
process.exit(over ? 1 : 0);
