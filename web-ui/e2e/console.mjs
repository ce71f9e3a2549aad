/**
 * The hub's console in Chromium. `tests/tests/web_console.rs` starts a hub and a store with troubles, and runs this:
 * `TRADEPOST_URL` is the hub's, `TRADEPOST_TOKEN` its admin token, `TRADEPOST_URL_TILL` the node that goes on.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { launch, looksRight, openTill, PATIENCE_MS, shot, until, URL_OF_NODE as URL_OF_HUB } from './browser.mjs';
import { enter } from './walk.mjs';

const URL_OF_TILL = process.env.TRADEPOST_URL_TILL ?? '';
const TOKEN = process.env.TRADEPOST_TOKEN ?? '';
/** Targets of the console, in px. */
const LEAST = 44;
const PAGES = ['stores', 'orders', 'shifts', 'stored', 'rollout', 'stock', 'review', 'aside', 'recovery', 'restored', 'reports', 'days', 'consumers', 'webhooks', 'audit'];
/** Pages that show one store at a time. */
const OF_A_STORE = ['reports', 'days'];

const complaints = [];

async function open(browser, options) {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, locale: 'en-GB', reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(`${URL_OF_HUB}/`);
  await page.waitForSelector('main[data-page=door]');
  return page;
}

async function letIn(page) {
  await page.fill('[data-pin]', TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForSelector('main[data-page=stores]');
}

async function go(page, name) {
  await page.click(`nav [data-page=${name}]`);
  await page.waitForSelector(`main[data-page=${name}]`);
  await page.waitForFunction(() => !/Loading …|Đang tải …/.test(document.querySelector('main').innerText));
}

async function gettingIn({ page }) {
  await page.keyboard.press('Enter');
  await page.fill('[data-pin]', 'not the token');
  await page.keyboard.press('Enter');
  await page.getByText('The hub doesn’t know this token.').waitFor();
  await looksRight(page, 'door', LEAST);
  await letIn(page);
  await page.reload();
  await page.waitForSelector('main[data-page=stores]');
}

async function seeingTheDay({ page }) {
  await page.locator('tbody tr', { hasText: 'south' }).first().waitFor();
  await page.locator('tbody tr', { hasText: 'north' }).first().waitFor();
  await go(page, 'rollout');
  await until('the prices are there', async () => {
    await page.getByRole('button', { name: 'Read again' }).click();
    return /Delivered to 1 of 1/.test(await page.textContent('[data-testid=delivered]'));
  });
  await go(page, 'shifts');
  await page.locator('button[aria-pressed]').click();
  const z = page.locator('tbody tr').first();
  await z.waitFor();
  assert.match(await z.innerText(), /[-−]€0\.05/);
  await go(page, 'stored');
  await page.locator('.cards', { hasText: '1 payment waits' }).waitFor();
  await go(page, 'orders');
  await page.locator('tbody button').first().click();
  await page.waitForSelector('[data-testid=order] table');
  await looksRight(page, 'an order', LEAST);
  await go(page, 'stock');
  await page.locator('main table, [data-testid=none]').first().waitFor();
}

/** Events that were set aside: one is tried again and taken, one is given up; then a group is built anew. */
async function decidingOnEvents({ page }) {
  await go(page, 'consumers');
  await page.locator('[data-testid=dead]', { hasText: '2 events wait' }).waitFor();
  await page.click('[data-letters=analytics]');
  const letters = page.locator('[data-testid=letters]');
  await letters.locator('tr', { hasText: 'the disk was full' }).waitFor();
  await looksRight(page, 'events set aside', LEAST);
  await shot(page, 'console-letters');
  await letters.getByRole('button', { name: 'Look inside' }).click();
  await page.locator('[data-testid=inside] tr', { hasText: 'MUG' }).waitFor();
  await looksRight(page, 'inside an event', LEAST);
  await shot(page, 'console-letter');
  await page.keyboard.press('Escape');
  await letters.getByRole('button', { name: 'Try again now' }).click();
  await until('the group has taken it', async () => {
    await letters.getByRole('button', { name: /^Read again/ }).click();
    return letters.locator('[data-testid=none]').isVisible();
  });

  await page.click('[data-letters=accounting]');
  await letters.locator('tr', { hasText: 'an order without a document' }).waitFor();
  await letters.getByRole('button', { name: 'Give up' }).click();
  await looksRight(page, 'giving up', LEAST);
  await page.locator('[data-testid=confirm] .primary').click();
  await letters.locator('[data-testid=none]').waitFor();
  await page.locator('[data-testid=dead]').waitFor({ state: 'detached' });

  await page.click('[data-rebuild=search]');
  await page.getByRole('heading', { name: 'Build anew: Product search?' }).waitFor();
  await page.locator('[data-testid=confirm] .primary').click();
  await page.locator('[data-testid=confirm]').waitFor({ state: 'detached' });
  const search = page.locator('main tr', { hasText: 'Product search' });
  await until('it has read all facts again', async () => /nothing waits/.test(await search.innerText()) && !/being built anew/.test(await search.innerText()));
}

async function goToStore(page, name) {
  await go(page, name);
  await page.selectOption('[data-testid=store]', '13');
  await page.waitForSelector('[data-testid=from]');
}

/** What was sold, what the accounts came to, the journal as a file, and a day that is closed. */
async function readingTheBooks({ page }) {
  await goToStore(page, 'reports');
  await until('the reports have read the day', async () => {
    await page.getByRole('button', { name: 'Read again' }).click();
    return page.locator('[data-testid=totals]', { hasText: '€2.00' }).isVisible();
  });
  await page.locator('[data-day]').first().click();
  await page.locator('[data-testid=sold] tr', { hasText: 'MUG' }).locator('.figure', { hasText: /^2$/ }).waitFor();
  await looksRight(page, 'sales report', LEAST);
  await shot(page, 'console-report');
  const from = await page.inputValue('[data-testid=from]');
  await page.fill('[data-testid=from]', '2099-01-01');
  await page.getByText(/^Give a first day/).waitFor();
  await looksRight(page, 'days the wrong way round', LEAST);
  await page.fill('[data-testid=from]', from);

  await goToStore(page, 'days');
  await page.locator('[data-testid=books] tr', { hasText: 'Revenue' }).waitFor();
  const coming = page.waitForEvent('download');
  await page.click('[data-testid=journal]');
  const journal = readFileSync(await (await coming).path(), 'utf8');
  assert.match(journal, /^entry,line,store,.*\n[^\n]*,13,/);
  const close = page.locator('[data-testid=close]');
  const confirm = page.locator('[data-testid=confirm]');
  const yesterday = await close.locator('input').inputValue();
  await close.locator('input').fill('2099-01-01');
  await close.locator('.primary').click();
  await confirm.locator('.primary').click();
  await confirm.getByText(/has not begun/).waitFor();
  await page.keyboard.press('Escape');
  await close.locator('input').fill(yesterday);
  await close.locator('.primary').click();
  await looksRight(page, 'closing a day', LEAST);
  await confirm.locator('.primary').click();
  await page.locator('[data-testid=closed] tbody tr').waitFor();
  await looksRight(page, 'accounting days', LEAST);
  await shot(page, 'console-days');
}

/** A receiver is added, keeps its secret, and is switched off; the audit trail knows of it and is whole. */
async function tellingOthers({ page }) {
  await go(page, 'webhooks');
  const add = page.locator('[data-testid=add]');
  await add.locator('.primary').click();
  await add.getByText('Give the address that messages are sent to.').waitFor();
  await add.getByLabel(/^Its address/).fill('ftp://receiver.test');
  await add.locator('.primary').click();
  await add.getByText(/is no http or https address/).waitFor();
  await looksRight(page, 'webhook refused', LEAST);
  await add.getByLabel(/^Its address/).fill('http://127.0.0.1:9/told');
  await add.getByLabel(/^Kinds of events/).fill('z.closed order.created');
  await add.locator('.primary').click();
  assert.match(await page.textContent('[data-testid=secret]'), /^whsec_/);
  await looksRight(page, 'a webhook’s secret', LEAST);
  await page.getByRole('button', { name: 'I have kept it' }).click();
  const made = page.locator('main tbody tr', { hasText: '127.0.0.1:9/told' });
  await made.getByText('z.closed, order.created').waitFor();
  await shot(page, 'console-webhooks');
  await made.getByRole('button', { name: /^Switch off/ }).click();
  await looksRight(page, 'switching a webhook off', LEAST);
  await page.locator('[data-testid=confirm] .primary').click();
  await page.locator('main [data-testid=none]').waitFor();

  await go(page, 'audit');
  await page.getByRole('searchbox').fill('/v1/webhooks');
  await page.keyboard.press('Enter');
  // A refused call changed nothing: it has no entry.
  await until('only what was done to webhooks is shown', async () => await page.locator('main tbody tr').count() === 2);
  await page.locator('main tbody tr', { hasText: 'POST /v1/webhooks' }).locator('button').click();
  assert.match(await page.textContent('[data-testid=entry]'), /127\.0\.0\.1:9\/told/);
  await page.click('[data-testid=verify]');
  await page.locator('[data-testid=verdict]', { hasText: 'The trail is whole' }).waitFor();
  await looksRight(page, 'audit trail', LEAST);
  await shot(page, 'console-audit');
}

/** How a hub looks whose database was put back: what it says stands in for one; that it isn't one this hub itself says. */
async function afterARestore({ page }) {
  await go(page, 'restored');
  await page.getByText('The hub’s database was never put back.').waitFor();
  const node = { incarnation: '0f1e2d3c4b5a6978', name: 'north', state: 'live', heard: false, in_session: false, lease_until: '2026-11-26T08:00:00Z' };
  const store = {
    store: '13', state: 'recovering', next: ['north was not heard yet: connect it.'], begun_at: '2026-11-23T08:00:00Z', ended_at: null, journal_whole: false,
    attested: null, old_log_held: 3, old_log_needed: 5, nodes: [node, { ...node, incarnation: '1f1e2d3c4b5a6978', name: 'south', heard: true, in_session: true, lease_until: null }],
  };
  await page.route('**/v1/hub/recovery', (route) => route.fulfill({ json: { recovering: true, epoch: 2, stores: [store] } }));
  await page.locator('[data-store="13"]', { hasText: '3 of 5 events' }).getByText('north was not heard yet: connect it.').waitFor();
  await looksRight(page, 'a restored hub', LEAST);
  await shot(page, 'console-restored');
  await page.getByRole('button', { name: 'Nobody else can sell' }).click();
  const attest = page.locator('[data-testid=attest]');
  await attest.locator('.primary').click();
  await attest.getByText(/^Write who says so/).waitFor();
  await looksRight(page, 'attesting', LEAST);
  await attest.getByLabel(/^Who says so/).fill('the manager');
  await attest.locator('.primary').click();
  await attest.getByText('the hub does not recover (NOT_RECOVERING)').waitFor();
  await page.keyboard.press('Escape');
  await page.unroute('**/v1/hub/recovery');
  await page.getByText('The hub’s database was never put back.').waitFor();
}

/** Each page in both languages and both themes, and once on a small window. */
async function looks({ browser }) {
  for (const locale of ['en-GB', 'vi-VN']) {
    for (const colorScheme of ['light', 'dark']) {
      const viewport = colorScheme === 'dark' ? { width: 360, height: 740 } : { width: 1280, height: 800 };
      const page = await open(browser, { locale, colorScheme, viewport });
      assert.equal(await page.getAttribute('html', 'lang'), locale.slice(0, 2));
      await looksRight(page, `door (${locale})`, LEAST);
      await letIn(page);
      for (const name of PAGES) {
        await go(page, name);
        await shot(page, `console-${locale.slice(0, 2)}-${colorScheme}-${name}`);
        await looksRight(page, `${name} (${locale}, ${colorScheme})`, LEAST);
      }
      for (const name of OF_A_STORE) {
        await goToStore(page, name);
        await page.locator('main table').first().waitFor();
        await shot(page, `console-${locale.slice(0, 2)}-${colorScheme}-${name}-of-a-store`);
        await looksRight(page, `${name} of a store (${locale}, ${colorScheme})`, LEAST);
      }
      await page.context().close();
    }
  }
}

const atStep = (page, n) => page.waitForSelector(`[data-testid=step][data-step="${n}"]`);

/** Nothing is released before the wait is over; that the machine is destroyed can be told later as well. */
async function fencing({ page }) {
  await go(page, 'recovery');
  await page.selectOption('[data-testid=store]', '13');
  await page.getByText('Nobody of this store is lost').waitFor();
  await page.click('[data-fence=north]');
  await page.getByLabel(/^Who takes over/).fill('south');
  await looksRight(page, 'fence', LEAST);
  await shot(page, 'console-fence');
  await page.locator('[data-testid=fence] .primary').click();
  await atStep(page, 2);
  await page.locator('[data-testid=lost]', { hasText: /It still waits until/ }).waitFor();
  await page.locator('[data-testid=items] tr', { hasText: 'MUG' }).locator('.figure', { hasText: /^8$/ }).waitFor();
  await looksRight(page, 'recovery, waiting', LEAST);
  await shot(page, 'console-recovery-waiting');

  await page.click('[data-destroyed=north]');
  await page.locator('[data-testid=fence] .primary').click();
  await page.getByText(/^Write who saw it/).waitFor();
  await looksRight(page, 'destroyed', LEAST);
  await shot(page, 'console-destroyed');
  await page.getByLabel(/^Who takes over/).fill('south');
  await page.getByLabel(/^Who saw/).fill('the manager: it burnt');
  await page.locator('[data-testid=fence] .primary').click();
  await atStep(page, 3);
  await page.locator('[data-testid=lost]', { hasText: 'The wait is over.' }).waitFor();
  await looksRight(page, 'recovery, counting', LEAST);
  await shot(page, 'console-recovery');
  await page.getByRole('button', { name: 'Open the barrier' }).click();
  await page.locator('[data-testid=wrong]', { hasText: 'COUNT_NEEDED' }).waitFor();
  await until('what was refused is in sight', () => page.locator('[data-testid=wrong]').evaluate((said) => {
    const { top, bottom } = said.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  }));
}

const atTill = async (path) => (await fetch(URL_OF_TILL + path)).json();

/** 12 came, 2 were sold at the other till, and one is gone. It is counted where goods are counted: at a till of the store. */
async function counting({ browser }) {
  await until('the till knows of the fence', async () => (await atTill('/v1/stock/MUG')).suspended === 8);
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, locale: 'en-GB', reducedMotion: 'reduce' });
  const till = await openTill(context, complaints, '', URL_OF_TILL);
  await enter(till, 'stock', 'counts');
  await till.fill('[data-testid=item]', 'MUG');
  await till.keyboard.press('Enter');
  const row = till.locator('[data-testid=counts] [data-sku=MUG]');
  await row.getByLabel(/^Found of/).fill('9');
  await till.keyboard.press('Enter');
  await till.locator('[data-testid=counted] [data-sku=MUG]', { hasText: '1 missing' }).waitFor();
  await context.close();
}

/**
 * The page sees the count by itself. The hub opens the barrier as soon as everybody is there, unless the person is faster; it
 * gives back what was found, not what the books say.
 */
async function resolving({ page }) {
  const opens = page.getByRole('button', { name: 'Open the barrier' });
  await until('it is resolved', async () => {
    const now = await page.getAttribute('[data-testid=step]', 'data-step');
    if (now === '4' && await opens.isVisible()) await opens.click({ timeout: 1_000 }).catch(() => {});
    return now === '5';
  });
  await page.locator('[data-testid=wrong]').waitFor({ state: 'detached' });
  const last = page.locator('[data-testid=last]');
  await last.locator('tr', { hasText: 'MUG' }).locator('.figure', { hasText: /^7$/ }).waitFor();
  assert.match(await last.innerText(), /Resolved 1, given back 1, refused 0/);
  assert.equal(await page.locator('[data-testid=lost], [data-testid=items], [data-testid=barrier]').count(), 0, 'nothing waits any more');
  await looksRight(page, 'recovery, resolved', LEAST);
  await shot(page, 'console-recovery-resolved');
  const again = await open(page.context().browser(), { locale: 'vi-VN', colorScheme: 'dark', viewport: { width: 360, height: 740 } });
  await letIn(again);
  await go(again, 'recovery');
  await again.selectOption('[data-testid=store]', '13');
  await atStep(again, 5);
  await looksRight(again, 'recovery, resolved (vi)', LEAST);
  await shot(again, 'console-vi-recovery-resolved');
  await again.context().close();
}

/** The first load: script at most 120 kB gzipped (`screens.md` §4.2). */
async function weighing() {
  const html = await (await fetch(`${URL_OF_HUB}/`)).text();
  const named = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map((match) => match[1]);
  assert.ok(named.length > 0, 'the page names its scripts');
  const weights = await Promise.all(named.map(async (path) => {
    const response = await fetch(URL_OF_HUB + path);
    assert.ok(response.ok, path);
    return gzipSync(Buffer.from(await response.arrayBuffer()), { level: 9 }).length;
  }));
  const script = weights.reduce((sum, bytes) => sum + bytes, 0);
  console.log(`first load of the console: script ${script} B gzipped`);
  assert.ok(script <= 120_000, `script is ${script} B`);
}

const browser = await launch();
const desk = { browser, page: await open(browser, {}) };
let failed = 0;
for (const story of [weighing, gettingIn, seeingTheDay, decidingOnEvents, readingTheBooks, tellingOthers, afterARestore, looks, fencing, counting, resolving]) {
  try {
    await story(desk);
    console.log(`ok ${story.name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED ${story.name}\n${error.stack}`);
    await shot(desk.page, `failed-console-${story.name}`).catch(() => {});
    break;
  }
}
if (!failed) assert.deepEqual(complaints, [], 'the browser complained');
await browser.close();
process.exit(failed ? 1 : 0);
