/**
 * The till page in Chromium on a real node. `tests/tests/web_till.rs` starts the node and runs this; by hand:
 * `TRADEPOST_URL=http://127.0.0.1:7600 npm run e2e` on a node with the `en-grocer` catalog (the part that kills the
 * node is then left out).
 */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { fingers, launch, lines, looksRight, openTill, scan, shot, until, untilLines, untilView, URL_OF_NODE, withCheckDigit } from './browser.mjs';
import { ask, mayAsk } from './control.mjs';
import * as day from './day.mjs';
import * as rooms from './rooms.mjs';

const MILK = '9520202000017';
const STOUT = '9520202000567';
const LAGER = '9520202000574';

const get = async (path) => (await fetch(URL_OF_NODE + path)).json();
const total = (page) => page.textContent('[data-testid=total]');
const euros = (minor) => `€${(minor / 100).toFixed(2)}`;
const unsynced = async (page) => Number(await page.getAttribute('[data-testid=status]', 'data-unsynced'));
const cartOf = (page) => page.evaluate(() => location.hash.replace('#cart=', ''));
const dialogGone = (page) => page.waitForSelector('dialog', { state: 'detached' });

async function scanningAndSearching({ page }) {
  await scan(page, MILK);
  await untilLines(page, 1);
  assert.equal((await lines(page))[0].sku, 'EN-001');
  await page.focus('[data-testid=main-key]');
  await scan(page, MILK);
  await until('the same goods count up', async () => /\b2 × €1.39/.test((await lines(page))[0].text));
  assert.equal(await page.getAttribute('main', 'data-view'), 'sell', 'the scanner’s Enter presses no key');
  assert.equal(await total(page), '€2.78');

  await page.evaluate(() => document.activeElement.blur());
  await fingers(page, 'milk');
  assert.equal(await page.inputValue('#search'), 'milk', 'typing goes to the search from anywhere');
  await until('only milk is shown', () => page.$$eval('.tile .name', (all) => all.length > 1 && all.every((name) => /milk/i.test(name.textContent))));
  await shot(page, 'search');
  const second = await page.getAttribute('li:nth-child(2) > .tile', 'data-sku');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await untilLines(page, 2);
  assert.equal((await lines(page))[1].sku, second);
  assert.equal(await page.inputValue('#search'), '', 'the search is ready for the next');

  await page.focus('#search');
  await fingers(page, '9520202000024');
  await page.keyboard.press('Enter');
  await until('a code typed by hand', async () => (await lines(page)).some((line) => line.sku === 'EN-002'));
}

async function weighing({ page }) {
  const before = (await lines(page)).length;
  const all = await get('/v1/products?limit=200');
  const loose = all.data.find((product) => product.weighed && product.plu && product.unit.base === 'gram');
  await scan(page, withCheckDigit(`21${String(loose.plu).padStart(5, '0')}00486`));
  await untilLines(page, before + 1);
  assert.match((await lines(page)).at(-1).text, /0\.486 kg/, 'the label’s own weight');

  await page.keyboard.press('F2');
  await fingers(page, String(loose.plu));
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog');
  await fingers(page, '0');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog [aria-invalid=true]');
  await page.keyboard.press('Backspace');
  await fingers(page, '1.25');
  await shot(page, 'weigh');
  await page.keyboard.press('Enter');
  await untilLines(page, before + 2);
  assert.match((await lines(page)).at(-1).text, /1\.25 kg/);
}

async function askingTheAge({ page }) {
  const before = (await lines(page)).length;
  await scan(page, STOUT);
  await page.waitForSelector('dialog');
  await shot(page, 'age');
  await page.click('dialog .primary');
  await untilLines(page, before + 1);
  await scan(page, LAGER);
  await untilLines(page, before + 2);
  assert.equal(await page.$('dialog'), null, 'one question a customer');
}

async function changingLines({ page }) {
  await page.keyboard.press('*');
  await page.waitForSelector('dialog');
  await fingers(page, '3');
  await page.keyboard.press('Enter');
  await until('three of it', async () => /\b3 ×/.test((await lines(page)).at(-1).text));

  await page.keyboard.press('F6');
  await page.waitForSelector('dialog');
  await fingers(page, '10');
  await page.keyboard.press('Enter');
  await until('a discount', async () => /Discount/.test((await lines(page)).at(-1).text));

  const count = (await lines(page)).length;
  const gone = await page.$eval('[data-testid=line][aria-current]', (line) => line.dataset.sku);
  await page.keyboard.press('Delete');
  await untilLines(page, count - 1);
  await page.click('.toast.info .button:not(.quiet)');
  await untilLines(page, count);
  const back = (await lines(page)).find((line) => line.sku === gone);
  assert.match(back?.text ?? '', /\b3 ×[\s\S]*Discount/, 'undo brings it back as it was');
}

async function sayingWhatIsWrong({ page }) {
  const count = (await lines(page)).length;
  await scan(page, withCheckDigit('952020200999'));
  await page.getByText('No product has this barcode.').waitFor();
  await scan(page, '9520202000018');
  await page.getByText('The barcode was misread.').waitFor();
  await shot(page, 'problem');
  assert.equal((await lines(page)).length, count);
}

async function paying({ page }) {
  const waiting = await unsynced(page);
  const id = await cartOf(page);
  await page.keyboard.press('F9');
  await untilView(page, 'pay');
  await scan(page, MILK);
  await page.getByText('Finish this payment first').waitFor();
  assert.equal(await page.inputValue('#cash'), '', 'a scan leaves nothing in the amount');
  await fingers(page, '1');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#cash[aria-invalid=true]');
  assert.match(await page.textContent('[data-testid=pay-error]'), /still missing/);
  await shot(page, 'pay-short');

  await page.fill('#cash', '');
  await page.getByRole('button', { name: 'Card', exact: true }).click();
  await page.waitForSelector('dialog');
  await page.getByLabel('Amount').fill('5.00');
  await page.keyboard.press('Enter');
  await page.getByText('Type the reference').waitFor();
  await page.getByLabel('Terminal reference').fill('T-0042');
  await page.keyboard.press('Enter');
  await dialogGone(page);
  await page.fill('#cash', '100');
  const expected = await page.textContent('[data-testid=change-preview]');
  await shot(page, 'pay');
  await page.focus('#cash');
  await page.keyboard.press('Enter');
  await untilView(page, 'done');

  const { sale_id: saleId } = await get(`/v1/carts/${id}`);
  const sale = await get(`/v1/sales/${saleId}`);
  assert.equal(await page.textContent('[data-testid=change]'), euros(sale.change));
  assert.equal(expected, euros(sale.change), 'the page had reckoned the same change');
  assert.deepEqual(sale.tenders.map((tender) => [tender.kind, tender.reference]), [['card', 'T-0042'], ['cash', null]]);
  const receipt = await page.textContent('[data-testid=receipt]');
  assert.ok(receipt.includes(sale.receipt.number) && receipt.includes('Whole milk 1 l'), receipt);
  await until('one more waits for the hub', async () => (await unsynced(page)) > waiting);
  await shot(page, 'done');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
  await untilLines(page, 0);
}

async function cancelling({ page }) {
  await scan(page, MILK);
  await scan(page, MILK);
  await until('two of it', async () => /\b2 ×/.test((await lines(page))[0]?.text ?? ''));
  await page.getByRole('button', { name: 'Cancel sale' }).click();
  await untilLines(page, 0);
  await page.click('.toast.info .button:not(.quiet)');
  await until('undo brings the basket back', async () => /\b2 ×/.test((await lines(page))[0]?.text ?? ''));
  await page.getByRole('button', { name: 'Cancel sale' }).click();
  await untilLines(page, 0);
}

async function parking({ page }) {
  await scan(page, MILK);
  await untilLines(page, 1);
  await page.keyboard.press('F4');
  await untilLines(page, 0);
  await page.keyboard.press('Shift+F4');
  await page.waitForSelector('[data-testid=parked] li');
  await shot(page, 'parked');
  await page.click('[data-testid=parked] .primary');
  await untilLines(page, 1);
  await page.waitForSelector('nav > .button .count', { state: 'detached' });
}

async function closingInMidSale(till) {
  const id = await cartOf(till.page);
  await till.page.close();
  till.page = await openTill(till.context, till.complaints);
  await untilLines(till.page, 1);
  assert.equal(await cartOf(till.page), id, 'the same cart');

  const elsewhere = await till.browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'en-GB' });
  const other = await openTill(elsewhere, till.complaints, `#cash-and-carry`);
  await untilLines(other, 0);
  await other.close();
  const second = await openTill(elsewhere, till.complaints, `#cart=${id}`);
  await untilLines(second, 1);
  await scan(second, '9520202000024');
  await untilLines(second, 2);
  await untilLines(till.page, 2);
  await elsewhere.close();
}

async function losingTheNode({ page }) {
  if (!mayAsk) {
    await page.getByRole('button', { name: 'Cancel sale' }).click();
    return untilLines(page, 0);
  }
  await ask('kill');
  await page.waitForSelector('[data-testid=lost]');
  await until('the chip says so too', async () => (await page.getAttribute('[data-testid=status]', 'data-link')) === 'lost');
  await shot(page, 'lost');
  await scan(page, MILK);
  assert.equal(await page.$eval('main', (main) => main.inert), true, 'the basket is frozen');
  await ask('start');
  await page.waitForSelector('[data-testid=lost]', { state: 'detached' });
  await untilLines(page, 2);
  assert.match((await lines(page))[0].text, /^Whole milk 1 l[\s\S]*\b1 ×/, 'nothing was invented meanwhile');
  await page.keyboard.press('F10');
  await untilView(page, 'done');
  assert.equal(await page.textContent('[data-testid=change]'), 'No change');
  await page.waitForSelector('[data-testid=receipt]');
  await page.keyboard.press('Enter');
}

/** The first load as the node serves it: the page and all it names. Rooms and dialogs come later, and don't count. */
async function weighingThePage() {
  const weigh = async (path) => {
    const response = await fetch(URL_OF_NODE + path);
    assert.ok(response.ok, path);
    return gzipSync(Buffer.from(await response.arrayBuffer()), { level: 9 }).length;
  };
  const html = await (await fetch(`${URL_OF_NODE}/`)).text();
  const named = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => match[1]);
  const scripts = named.filter((path) => path.endsWith('.js'));
  assert.ok(scripts.length > 0, 'the page names its scripts');
  const sum = async (paths) => (await Promise.all(paths.map(weigh))).reduce((all, bytes) => all + bytes, 0);
  const [script, all] = [await sum(scripts), await sum(['/', ...named])];
  console.log(`first load: script ${script} B, all ${all} B, gzipped`);
  assert.ok(script <= 60_000, `script is ${script} B`);
  assert.ok(all <= 100_000, `all is ${all} B`);
}

/** Every screen in both languages and both themes. */
async function looks({ browser, complaints }) {
  for (const locale of ['en-GB', 'vi-VN']) {
    for (const colorScheme of ['light', 'dark']) {
      // The longer language on the smaller screen.
      const viewport = locale === 'vi-VN' ? { width: 1024, height: 768 } : { width: 1280, height: 800 };
      const context = await browser.newContext({ viewport, locale, colorScheme, reducedMotion: 'reduce' });
      const page = await openTill(context, complaints);
      assert.equal(await page.getAttribute('html', 'lang'), locale.slice(0, 2));
      await everyScreen(page, `${locale.slice(0, 2)}-${colorScheme}`);
      await context.close();
    }
  }
}

async function everyScreen(page, tag) {
  const look = async (name) => {
    await shot(page, `${tag}-${name}`);
    await looksRight(page, `${name} (${tag})`);
  };
  const dialog = async (name, open) => {
    await open();
    await page.waitForSelector('dialog');
    await look(name);
    await page.keyboard.press('Escape');
    await dialogGone(page);
  };
  await look('empty');
  await scan(page, MILK);
  await scan(page, '9520202000420');
  await untilLines(page, 2);
  await look('sell');
  await dialog('quantity', () => page.keyboard.press('*'));
  await dialog('discount', () => page.keyboard.press('F8'));
  await dialog('age', () => scan(page, STOUT));
  await dialog('parked', () => page.keyboard.press('Shift+F4'));
  await dialog('keys', () => page.keyboard.press('?'));
  await dialog('menu', () => page.click('[data-testid=menu]'));
  await scan(page, withCheckDigit('952020200999'));
  await page.waitForSelector('.toast.error');
  await look('problem');
  await page.keyboard.press('F9');
  await untilView(page, 'pay');
  await fingers(page, '1');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#cash[aria-invalid=true]');
  await look('pay');
  await page.fill('#cash', '20');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid=receipt]');
  await look('done');
}

const ALL = { weighingThePage, scanningAndSearching, weighing, askingTheAge, changingLines, sayingWhatIsWrong, paying, cancelling, parking, closingInMidSale, losingTheNode,
  lookingUpStock: rooms.lookingUpStock, counting: rooms.counting, receiving: rooms.receiving, transfersAndPickups: rooms.transfersAndPickups,
  findingAndRefunding: rooms.findingAndRefunding, readingTheStatus: rooms.readingTheStatus, knowingCustomers: rooms.knowingCustomers,
  showingTheCustomer: rooms.showingTheCustomer, sharingACart: rooms.sharingACart, looks, roomsInVietnamese: rooms.roomsInVietnamese,
  // What changes the till for all that come after stands at the end.
  payingByTerminal: day.payingByTerminal, payingByGiftCard: day.payingByGiftCard, payingByVietQr: day.payingByVietQr, numberedAndWithoutTax: day.numberedAndWithoutTax, exchanging: day.exchanging, aShift: day.aShift, devicesAndTraining: day.devicesAndTraining, withoutReceipt: day.withoutReceipt, staffAndApprovals: day.staffAndApprovals,
};
/** `TRADEPOST_STORIES=counting,receiving` walks only those. */
const WANTED = process.env.TRADEPOST_STORIES?.split(',');
const STORIES = Object.fromEntries(Object.entries(ALL).filter(([name]) => !WANTED || WANTED.includes(name)));

const browser = await launch();
const till = { browser, complaints: [], context: await browser.newContext({ viewport: { width: 1366, height: 768 }, locale: 'en-GB' }), page: undefined };
till.page = await openTill(till.context, till.complaints);
let failed = 0;
for (const [name, story] of Object.entries(STORIES)) {
  try {
    await story(till);
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED ${name}\n${error.stack}`);
    await shot(till.page, `failed-${name}`).catch(() => {});
    break;
  }
}
if (!failed) assert.deepEqual(till.complaints, [], 'the browser complained');
await browser.close();
console.log(failed ? 'web: failed' : `web: ${Object.keys(STORIES).length} stories passed`);
process.exit(failed ? 1 : 0);
