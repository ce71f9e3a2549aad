/** Chromium for the browser tests: how it is started, how a scanner types, and what every screen must keep to. */
import AxeBuilder from '@axe-core/playwright';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Long for a busy machine; nothing here measures time. */
export const PATIENCE_MS = 30_000;

export const URL_OF_NODE = process.env.TRADEPOST_URL ?? 'http://127.0.0.1:7600';
const SHOTS = process.env.TRADEPOST_SHOTS;
if (SHOTS) mkdirSync(SHOTS, { recursive: true });

export function launch() {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  assert.ok(executablePath, 'Chromium is needed: install it, or name it in CHROMIUM');
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}

/** Opens the till; whatever the browser complains about is collected in `complaints`. */
export async function openTill(context, complaints, hash = '', url = URL_OF_NODE) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // A refused request is the page's business; a lost node is a story of its own.
    if (message.type() === 'error' && !/Failed to load resource|ERR_/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(`${url}/${hash}`);
  await page.waitForSelector('[data-testid=products] li');
  return page;
}

export async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

/** Between two keys of the scanner. */
const SCANNER_SECONDS = 0.01;

/**
 * A scanner: a digit every 10 ms, then Enter, wherever the focus is. The keys carry their times, as those of a real
 * keyboard do, so that a busy machine doesn't turn the scanner into fingers.
 */
export async function scan(page, digits) {
  const keyboard = await page.context().newCDPSession(page);
  const begun = Date.now() / 1000;
  const keys = [...[...digits].map((digit) => ({ key: digit, code: `Digit${digit}`, text: digit, windowsVirtualKeyCode: digit.charCodeAt(0) })),
    { key: 'Enter', code: 'Enter', text: '\r', windowsVirtualKeyCode: 13 }];
  await Promise.all(keys.flatMap((key, index) => {
    const timestamp = begun + index * SCANNER_SECONDS;
    return ['keyDown', 'keyUp'].map((type) => keyboard.send('Input.dispatchKeyEvent', { type, ...key, text: type === 'keyDown' ? key.text : '', timestamp }));
  }));
  await keyboard.detach();
}

/** Fingers: slower than any scanner. */
export const fingers = (page, text) => page.keyboard.type(text, { delay: 70 });

/** The thirteenth digit of a GTIN-13. */
export function withCheckDigit(twelve) {
  const sum = [...twelve].reduce((all, digit, index) => all + Number(digit) * (index % 2 ? 3 : 1), 0);
  return twelve + ((10 - (sum % 10)) % 10);
}

/** The basket as it is shown. */
export const lines = (page) => page.$$eval('[data-testid=line]', (all) => all.map((line) => ({
  sku: line.dataset.sku,
  amount: line.querySelector('[data-testid=amount]').textContent,
  text: line.innerText,
})));

export const untilLines = (page, count) => page.waitForFunction(
  (wanted) => document.querySelectorAll('[data-testid=line]').length === wanted, count);

export const untilView = (page, view) => page.waitForSelector(`main[data-view=${view}]`);

/** Fails unless `check` comes true; asks again and again, with a bound. */
export async function until(what, check) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What every screen keeps to: axe finds nothing, targets are at least 56 px (the console's 44), nothing sticks out at the side. */
export async function looksRight(page, name, least = 56) {
  // Only the top layer counts while a dialog is open: the rest is inert.
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  const told = found.violations.map((rule) => `${rule.id}: ${rule.help}\n    ${rule.nodes.map((node) => node.html).join('\n    ')}`);
  assert.deepEqual(told, [], `axe on ${name}:\n  ${told.join('\n  ')}`);
  const small = await page.evaluate((least) => [...document.querySelectorAll('button, input, select, a[href]')]
    .filter((target) => target.checkVisibility() && !target.closest('.hidden') && !target.classList.contains('hidden'))
    .map((target) => [target.outerHTML.slice(0, 90), target.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && box.height < least - 0.5)
    .map(([html, box]) => `${Math.round(box.height)} px: ${html}`), least);
  assert.deepEqual(small, [], `targets under ${least} px on ${name}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.ok(!wide, `${name} is wider than the window`);
}
