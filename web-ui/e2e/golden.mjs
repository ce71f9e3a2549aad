/**
 * The golden store day at the counter: one cashier in Chromium, who does one step at a time as
 * `tests/tests/golden_day/browser.rs` says it. A line of JSON on the standard input asks for a step, a line
 * `@done {…}` on the standard output tells what came of it; what goes wrong ends the program.
 */
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { launch, lines, PATIENCE_MS, scan, shot, until, untilLines, untilView } from './browser.mjs';
import { enter, leave, toast } from './walk.mjs';

const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, locale: 'en-GB' });
const page = await context.newPage();
page.setDefaultTimeout(PATIENCE_MS);
const complaints = [];
page.on('pageerror', (error) => complaints.push(error.message));
let origin = '';

const get = async (path) => {
  const response = await fetch(origin + path);
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
};

/** The document behind a number on the screen. */
async function document(number) {
  const { data } = await get(`/v1/sales?receipt=${encodeURIComponent(number.trim())}`);
  assert.equal(data.length, 1, number);
  return { id: data[0].id };
}

/** Goes to the counter: the node may have come back at another address. */
async function toCounter(url) {
  if (origin === url) return;
  origin = url;
  await page.goto(`${url}/`);
  await page.waitForSelector('[data-testid=products] li, [data-testid=lock]');
}

async function approve() {
  await page.waitForSelector('[data-testid=approve]');
  await page.getByLabel('Who allows it').selectOption('mia');
  await page.fill('[data-testid=approve] [data-pin]', '2468');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid=approve]', { state: 'detached' });
}

const line = async (sku) => (await lines(page)).find((one) => one.sku === sku);

async function scanAll(items) {
  for (const { sku, code, n = 1, off } of items) {
    const before = (await lines(page)).length;
    await scan(page, code);
    await untilLines(page, before + 1);
    for (let more = 1; more < n; more++) {
      await scan(page, code);
      await until(`${more + 1} of ${sku}`, async () => new RegExp(`\\b${more + 1} ×`).test((await line(sku))?.text ?? ''));
    }
    if (off) {
      await page.keyboard.press('F6');
      await page.waitForSelector('dialog');
      await page.getByLabel('Percent (%)').fill(off);
      await page.keyboard.press('Enter');
      await approve();
      await until('the discount is given', async () => /Discount/.test((await line(sku))?.text ?? ''));
    }
  }
}

async function giveCoupon({ code, amount }) {
  const before = await page.textContent('[data-testid=total]');
  await page.keyboard.press('F8');
  await page.waitForSelector('dialog');
  await page.locator('dialog input[type=radio][value=fixed]').check();
  await page.locator('dialog').getByLabel('Amount', { exact: true }).last().fill(amount);
  await page.getByLabel('Coupon code').fill(code);
  await page.keyboard.press('Enter');
  await until('the coupon counts', async () => (await page.textContent('[data-testid=total]')) !== before);
}

async function payByCard(much, stored) {
  await page.waitForFunction(() => window.document.querySelector('[data-terminal=true]'));
  if (much === 'all') await page.getByRole('button', { name: 'Card', exact: true }).click();
  else {
    await page.click('[data-way=card_part]');
    await page.waitForSelector('dialog');
    await page.locator('dialog').getByLabel('Amount').fill(much);
    await page.getByRole('button', { name: 'Add payment' }).click();
  }
  await page.locator(`[data-testid=tenders] [data-kind=card][data-state=${stored ? 'stored' : 'captured'}]`).waitFor();
}

const STEPS = {
  async open({ name, pin, float }) {
    await page.locator('[data-testid=who] li', { hasText: name }).getByRole('button').click();
    await page.fill('[data-testid=lock] [data-pin]', pin);
    await page.keyboard.press('Enter');
    await untilView(page, 'sell');
    await enter(page, 'shift', 'now');
    await page.fill('[data-testid=open-shift] [data-testid=drawer-sum]', float);
    await page.getByRole('button', { name: 'Open the shift' }).click();
    await page.waitForSelector('[data-testid=x]');
    await leave(page);
  },

  async scan({ items }) {
    await scanAll(items);
    return { total: await page.textContent('[data-testid=total]') };
  },

  async cancel() {
    await page.getByRole('button', { name: 'Cancel sale' }).click();
    await untilLines(page, 0);
  },

  async park({ items }) {
    await scanAll(items);
    await page.keyboard.press('F4');
    await untilLines(page, 0);
  },

  async sell({ items, customer, parked, coupon, card, stored, cash, print, shot: picture }) {
    if (customer) {
      await page.keyboard.press('F3');
      await page.waitForSelector('[data-testid=room][data-room=customers]');
      await page.fill('[data-testid=customer-search]', customer);
      await page.keyboard.press('Enter');
      await page.locator('[data-testid=customers] li', { hasText: customer }).getByRole('button', { name: 'For this sale' }).click();
      await untilView(page, 'sell');
    }
    if (parked) {
      await page.keyboard.press('Shift+F4');
      await page.click('[data-testid=parked] .primary');
      await page.waitForSelector('[data-testid=line]');
    }
    await scanAll(items);
    if (coupon) await giveCoupon(coupon);
    if (picture) await shot(page, picture);
    await page.keyboard.press('F9');
    await untilView(page, 'pay');
    if (card) await payByCard(card, stored);
    if (cash) await page.fill('#cash', cash);
    if (picture) await shot(page, `${picture}-pay`);
    await page.click('[data-testid=main-key]');
    await untilView(page, 'done');
    const number = await page.textContent('[data-testid=receipt-number]');
    await page.waitForSelector('[data-testid=receipt]');
    if (picture) await shot(page, `${picture}-done`);
    if (print) {
      await page.getByRole('button', { name: 'Print receipt' }).click();
      await toast(page, 'is printing');
    }
    const made = await document(number);
    await page.click('[data-testid=main-key]');
    await untilView(page, 'sell');
    await untilLines(page, 0);
    return made;
  },

  async copy({ number }) {
    await findReceipt(number);
    await page.getByRole('button', { name: 'Print a copy' }).click();
    await toast(page, 'Copy 1 is printing');
    const { data } = await get('/v1/print-jobs');
    await leave(page);
    return { copy: Math.max(...data.map((job) => job.copy ?? 0)) };
  },

  async refund({ number, back, shot: picture }) {
    await findReceipt(number);
    await page.getByRole('button', { name: 'Refund', exact: true }).click();
    await page.waitForSelector('[data-testid=refund]');
    for (const { line: name, waste } of back) {
      const row = page.locator('[data-testid=refund] .rows > li', { hasText: name });
      await row.getByRole('button', { name: /^One more/ }).click();
      if (waste) await row.getByRole('radio', { name: 'Waste' }).check();
    }
    await page.getByRole('radio', { name: 'Cash', exact: true }).check();
    if (picture) await shot(page, picture);
    await page.getByRole('button', { name: 'Give the money back' }).click();
    await approve();
    await page.waitForSelector('[data-testid=refunded]');
    if (picture) await shot(page, `${picture}-done`);
    await page.getByRole('button', { name: 'Show the refund' }).click();
    const slip = page.locator(`[data-testid=order]:not([data-number="${number}"])`);
    await slip.waitFor();
    const made = await document(await slip.getAttribute('data-number'));
    await leave(page);
    return made;
  },

  async cash({ direction, amount, reason }) {
    await enter(page, 'shift', 'now');
    await page.locator(`[data-testid=cash] input[type=radio][value=${direction}]`).check();
    await page.locator('[data-testid=cash]').getByLabel('Amount').fill(amount);
    await page.locator('[data-testid=cash]').getByLabel('Reason').fill(reason);
    await page.locator('[data-testid=cash]').getByRole('button', { name: 'Book', exact: true }).click();
    const booked = async () => (await page.locator('[data-testid=cash]').getByLabel('Amount').inputValue()) === '';
    // Some ways need nobody else.
    if (await until('it is booked, or somebody is asked for', async () => (await page.$('[data-testid=approve]') ? 'asked' : await booked() && 'booked')) === 'asked') await approve();
    await until('it is booked', booked);
    await leave(page);
  },

  async close({ counted, shot: picture }) {
    await enter(page, 'shift', 'now');
    await page.getByRole('button', { name: 'Begin closing' }).click();
    await page.fill('[data-testid=close-shift] [data-testid=drawer-sum]', counted);
    await page.getByRole('button', { name: 'Close the shift' }).click();
    await page.waitForSelector('[data-testid=approve], [data-testid=z-done]');
    if (await page.$('[data-testid=approve]')) await approve();
    await page.waitForSelector('[data-testid=z-done]');
    if (picture) await shot(page, picture);
  },

  async end() {
    assert.deepEqual(complaints, [], 'the browser complained');
  },
};

async function findReceipt(number) {
  await page.keyboard.press('F7');
  await page.waitForSelector('[data-testid=orders]');
  await page.fill('[data-testid=receipt-search]', number);
  await page.keyboard.press('Enter');
  await page.waitForSelector(`[data-testid=order][data-number="${number}"]`);
  await page.waitForSelector('[data-testid=order] pre');
}

for await (const told of createInterface({ input: process.stdin })) {
  const { step, url, with: what } = JSON.parse(told);
  try {
    await toCounter(url);
    const said = await STEPS[step](what);
    console.log(`@done ${JSON.stringify(said ?? {})}`);
  } catch (error) {
    console.log(`FAILED ${step}\n${error.stack}`);
    await shot(page, `failed-day-${step}`).catch(() => {});
    break;
  }
  if (step === 'end') break;
}
await browser.close();
process.exit(0);
