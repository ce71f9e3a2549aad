/** Stories of the store day: payments that are no cash, the shift, staff and what they allow. They change the till. */
import assert from 'node:assert/strict';
import { fingers, lines, openTill, scan, until, untilLines, untilView, URL_OF_NODE, withCheckDigit } from './browser.mjs';
import { enter, get, leave, look, MILK, MILK_SKU, sell, toast } from './walk.mjs';

const put = (path, body) => send('PUT', path, body);
const send = async (method, path, body) => {
  const response = await fetch(URL_OF_NODE + path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
};

const terminal = (behaviour, more = {}) =>
  put('/v1/terminals/R1', { kind: 'simulated', behaviour, online: true, forwards: 'capture', timeout_ms: 300, ...more });

const row = (page, kind, state) => page.locator(`[data-testid=tenders] [data-kind=${kind}][data-state=${state}]`);

async function toPay(page) {
  await scan(page, MILK);
  await untilLines(page, 1);
  await page.keyboard.press('F9');
  await untilView(page, 'pay');
}

async function finished(page) {
  await page.click('[data-testid=main-key]');
  await untilView(page, 'done');
  const number = await page.textContent('[data-testid=receipt-number]');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
  const { data } = await get(`/v1/sales?receipt=${number}`);
  return data[0];
}

const card = (page) => page.getByRole('button', { name: 'Card', exact: true }).click();

/** A card through the till's terminal: declined, then approved; one that nobody knows is asked again. */
export async function payingByTerminal({ page }) {
  await terminal('decline');
  await toPay(page);
  // The page has heard of the terminal as soon as no question for a reference comes.
  await page.waitForFunction(() => document.querySelector('[data-terminal=true]'));
  await card(page);
  await page.getByText('The payment was declined').waitFor();
  await look(page, 'card-declined');
  await terminal('approve');
  await card(page);
  await row(page, 'card', 'captured').waitFor();
  const sale = await finished(page);
  assert.deepEqual(sale.tenders.map((tender) => tender.kind), ['card']);

  await terminal('time_out');
  await toPay(page);
  await page.waitForFunction(() => document.querySelector('[data-terminal=true]'));
  await card(page);
  await row(page, 'card', 'unknown').waitFor();
  await look(page, 'card-unknown');
  await page.click('[data-testid=main-key]');
  await page.getByText('One payment isn’t decided yet.').waitFor();
  await page.reload();
  await untilView(page, 'pay');
  await row(page, 'card', 'unknown').waitFor();
  await page.getByRole('button', { name: 'Ask the terminal' }).click();
  await row(page, 'card', 'captured').waitFor();
  await finished(page);
}

/** A gift card is sold, then pays for the next sale; one that nobody sold pays for nothing. */
export async function payingByGiftCard({ page }) {
  await page.keyboard.press('F1');
  await page.getByRole('button', { name: 'Sell a gift card' }).click();
  await page.getByLabel('Number of the card or voucher').fill('GC-1001');
  await page.getByLabel('Amount').fill('25');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await untilLines(page, 1);
  assert.equal(await page.textContent('[data-testid=total]'), '€25.00');
  await page.keyboard.press('F10');
  await untilView(page, 'done');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');

  await toPay(page);
  await page.click('[data-way=gift_card]');
  await page.waitForSelector('dialog');
  await page.getByLabel('Number of the card or voucher').fill('GC-1001');
  await page.getByRole('button', { name: 'Add payment' }).click();
  await row(page, 'gift_card', 'captured').waitFor();
  const sale = await finished(page);
  assert.deepEqual(sale.tenders.map((tender) => [tender.kind, tender.amount]), [['gift_card', sale.total]]);
  assert.equal((await get('/v1/vouchers/GC-1001')).left, 2500 - sale.total);

  await toPay(page);
  await page.click('[data-way=gift_card]');
  await page.waitForSelector('dialog');
  await page.getByRole('button', { name: 'Add payment' }).click();
  await page.getByText('Scan or type the number on it.').waitFor();
  await look(page, 'gift-card');
  await page.getByLabel('Number of the card or voucher').fill('GC-NOBODY');
  await page.getByRole('button', { name: 'Add payment' }).click();
  await page.waitForSelector('.toast.error');
  await page.keyboard.press('Escape');
  await untilView(page, 'sell');
  await page.getByRole('button', { name: 'Cancel sale' }).click();
  await untilLines(page, 0);
}

/** VietQR: the customer sees the code, the cashier sees the money, and the sale is done without any connection. */
export async function payingByVietQr(till) {
  const { browser, complaints } = till;
  const url = process.env.TRADEPOST_URL_VN;
  if (!url) return;
  const call = (method, path, body) => fetch(url + path, { method, headers: { 'content-type': 'application/json' }, ...(body ? { body: JSON.stringify(body) } : {}) });
  const account = await call('PUT', '/v1/bank-account', { bank: '970436', account: '0011001234567' });
  assert.ok(account.ok, await account.text());
  const { data } = await (await call('GET', '/v1/products?limit=60')).json();
  const [code] = data.find((product) => !product.weighed && !product.min_age && product.gtins.length && product.price).gtins;
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, locale: 'vi-VN' });
  const page = await openTill(context, complaints, '', url);
  const display = await context.newPage();
  await display.goto(`${url}/display/R1`);
  await page.bringToFront();
  await scan(page, code);
  await untilLines(page, 1);
  await page.keyboard.press('F9');
  await untilView(page, 'pay');
  await page.click('[data-way=vietqr]');
  await row(page, 'vietqr', 'requested').waitFor();
  await page.waitForSelector('[data-testid=tenders] [data-testid=qr]');
  await look(page, 'vietqr');
  await display.waitForSelector('[data-testid=qr]');
  await look(display, 'display-qr');
  await page.getByRole('button', { name: 'Đã nhận tiền' }).click();
  await row(page, 'vietqr', 'unconfirmed').waitFor();
  await page.click('[data-testid=main-key]');
  await untilView(page, 'done');
  await display.waitForSelector('[data-testid=display][data-state=done]');
  await context.close();
}

// --- shifts and staff --------------------------------------------------------------------------------------------

/** Opened with a float, cash put in, an X, counted, closed; the Z stands in the list. */
export async function aShift({ page }) {
  await enter(page, 'shift', 'now');
  await page.waitForSelector('[data-testid=open-shift]');
  await page.getByRole('button', { name: 'Open the shift' }).focus();
  await page.locator('[data-testid=open-shift] summary').click();
  await page.getByLabel('€50.00', { exact: true }).fill('2');
  assert.equal(await page.inputValue('[data-testid=drawer-sum]'), '100.00', 'pieces make the sum');
  await look(page, 'shift-open');
  await page.getByRole('button', { name: 'Open the shift' }).click();
  await page.waitForSelector('[data-testid=x]');

  await page.getByLabel('Amount').fill('20');
  await page.getByLabel('Reason').fill('change from the bank');
  await page.locator('[data-testid=cash]').getByRole('button', { name: 'Book', exact: true }).click();
  await toast(page, 'The cash is booked.');
  await page.locator('[data-testid=drawer]', { hasText: 'Paid in' }).waitFor();
  await look(page, 'shift');
  await leave(page);
  await sell(page);

  await enter(page, 'shift', 'now');
  await page.locator('[data-testid=report]', { hasText: 'Sales (1)' }).waitFor();
  await page.getByRole('button', { name: 'Begin closing' }).click();
  await page.waitForSelector('[data-testid=close-shift]');
  await look(page, 'shift-count');
  const { drawers } = await get('/v1/tills/R1/shift');
  await page.fill('[data-testid=close-shift] [data-testid=drawer-sum]', (drawers[0].expected / 100).toFixed(2));
  await page.getByRole('button', { name: 'Close the shift' }).click();
  await page.waitForSelector('[data-testid=z-done]');
  await look(page, 'shift-closed');
  await page.click('.tabs [data-tab=z]');
  await page.locator('[data-testid=zs] li').first().click();
  await page.waitForSelector('[data-testid=z]');
  await look(page, 'z');
  await page.click('.tabs [data-tab=printer]');
  await page.waitForSelector('[data-testid=printer]');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Type an address').waitFor();
  await look(page, 'printer');
  await leave(page);
}

/** The first manager, a cashier who has to ask for a discount, a wrong PIN, and signing off. */
export async function staffAndApprovals({ page }) {
  await enter(page, 'shift', 'staff');
  await person(page, 'mai', 'Mai', '2468', 'Manager');
  await page.waitForSelector('[data-testid=lock]');
  await look(page, 'lock');
  await signOn(page, 'Mai', '1111');
  await page.getByText('The PIN is wrong.').waitFor();
  await signOn(page, 'Mai', '2468');
  await page.waitForSelector('[data-testid=sign-off]');
  await page.waitForSelector('[data-testid=room][data-place=staff]');
  await person(page, 'lan', 'Lan', '1357', 'Cashier');
  // Even who is signed on proves it again for this.
  await page.fill('[data-testid=approve] [data-pin]', '2468');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=staff] li', { hasText: 'Lan' }).waitFor();
  await look(page, 'staff');
  await page.click('[data-testid=sign-off]');
  await page.waitForSelector('[data-testid=lock]');
  await signOn(page, 'Lan', '1357');
  await page.waitForSelector('[data-testid=sign-off]');
  await leave(page);

  await scan(page, MILK);
  await untilLines(page, 1);
  await page.keyboard.press('F6');
  await page.waitForSelector('dialog');
  await fingers(page, '10');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-testid=approve]');
  await look(page, 'approve');
  await page.getByLabel('Who allows it').selectOption('mai');
  await page.fill('[data-testid=approve] [data-pin]', '9999');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=approve-why]', { hasText: 'The PIN is wrong.' }).waitFor();
  await page.fill('[data-testid=approve] [data-pin]', '2468');
  await page.keyboard.press('Enter');
  await until('the discount is given', async () => /Discount/.test((await lines(page))[0]?.text ?? ''));
  await page.keyboard.press('F10');
  await untilView(page, 'done');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
  await beyondTheRights(page);
}

/** None of it is promised here, and its policy asks for somebody's PIN: it is asked at the end, and once. */
async function beyondTheRights(page) {
  await item('E2E-LAMP', LAMP, { name: 'Lamp', policy: 'override' }, 2500);
  await scan(page, LAMP);
  await untilLines(page, 1);
  await page.keyboard.press('F10');
  await page.locator('[data-testid=approve-why]', { hasText: 'Lamp: no more of it may be promised here.' }).waitFor();
  await look(page, 'beyond');
  await page.keyboard.press('Escape');
  await page.waitForSelector('[data-testid=approve]', { state: 'detached' });
  assert.equal((await get('/v1/stock/E2E-LAMP')).on_hand, 0, 'nobody allowed it, nothing is sold');
  await page.keyboard.press('F10');
  await page.waitForSelector('[data-testid=approve]');
  await page.getByLabel('Who allows it').selectOption('mai');
  await page.fill('[data-testid=approve] [data-pin]', '2468');
  await page.keyboard.press('Enter');
  await untilView(page, 'done');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
  assert.equal((await get('/v1/stock/E2E-LAMP')).on_hand, -1);
}

const [LAMP, PHONE, CUP] = ['952020277701', '952020277702', '952020277703'].map(withCheckDigit);

async function item(sku, gtin, more, price) {
  await put(`/v1/products/${sku}`, { gtins: [gtin], tax_category: 'standard', ...more });
  await put(`/v1/prices/${sku}`, { price });
}

/** Goods with a number each are asked for it; a sale without tax names its certificate. */
export async function numberedAndWithoutTax({ page }) {
  await item('E2E-PHONE', PHONE, { name: 'Phone', serialised: true }, 12300);
  await scan(page, PHONE);
  await page.waitForSelector('[data-testid=serials]');
  await page.keyboard.press('Enter');
  await page.getByText('1 is still missing.').waitFor();
  await look(page, 'serials');
  await scan(page, '4006381333931');
  await page.waitForSelector('[data-testid=serials]', { state: 'detached' });
  await page.getByText('No. 4006381333931').waitFor();
  await scan(page, PHONE);
  await page.waitForSelector('[data-testid=serials]');
  await fingers(page, '4006381333931');
  await page.keyboard.press('Enter');
  await page.getByText('This number was taken already.').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('F9');
  await page.waitForSelector('[data-testid=serials]');
  await fingers(page, 'SN-2');
  await page.keyboard.press('Enter');
  await page.getByText('No. 4006381333931, SN-2').waitFor();

  await page.keyboard.press('F1');
  await page.getByRole('button', { name: 'Sell without tax' }).click();
  await page.waitForSelector('[data-testid=exemption]');
  await page.keyboard.press('Enter');
  await page.getByText('Type the number of the certificate.').waitFor();
  await look(page, 'without-tax');
  await fingers(page, 'C-77');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=exempt]', { hasText: 'C-77' }).waitFor();
  await page.keyboard.press('F10');
  await untilView(page, 'done');
  const number = await page.textContent('[data-testid=receipt-number]');
  const { data } = await get(`/v1/sales?receipt=${number}`);
  assert.deepEqual(data[0].lines[0].serials, ['4006381333931', 'SN-2']);
  assert.ok(data[0].lines.every((line) => line.tax === 0), 'no tax');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
}

/** One thing comes back and another goes out for it: what is in the basket. */
export async function exchanging({ page }) {
  await item('E2E-CUP', CUP, { name: 'Cup' }, 500);
  const number = await sell(page);
  await scan(page, CUP);
  await untilLines(page, 1);
  await page.keyboard.press('F7');
  await page.fill('[data-testid=receipt-search]', number);
  await page.keyboard.press('Enter');
  await page.waitForSelector(`[data-testid=order][data-number="${number}"]`);
  await page.getByRole('button', { name: 'Refund', exact: true }).click();
  await page.getByRole('button', { name: /^One more/ }).first().click();
  await page.getByTestId('exchange').check();
  await page.getByText('The customer pays').waitFor();
  await page.getByLabel('Cash received').fill('10');
  await look(page, 'exchange');
  await page.getByRole('button', { name: 'Exchange', exact: true }).click();
  await page.locator('[data-testid=refunded]', { hasText: 'Exchanged, receipt' }).waitFor();
  const [out] = (await get('/v1/sales?limit=1')).data;
  assert.deepEqual(out.tenders.map((tender) => tender.kind), ['exchange', 'cash']);
  const shown = await page.textContent('[data-testid=refunded] .huge');
  assert.equal(shown, `€${(out.change / 100).toFixed(2)}`, 'what is handed out');
  await look(page, 'exchanged');
  await leave(page);
  await untilLines(page, 0);
}

/** A code lets another device in; while the till practises it says so, and nothing it makes is a sale. */
export async function devicesAndTraining({ page }) {
  await enter(page, 'shift', 'devices');
  await page.getByRole('button', { name: 'Make a code' }).click();
  await page.getByText('Type what you call it.').waitFor();
  await look(page, 'devices');
  await page.getByLabel('What you call it').fill('Tablet');
  await page.getByRole('button', { name: 'Make a code' }).click();
  await page.waitForSelector('[data-testid=pair-code]');
  const code = (await page.textContent('[data-testid=pair-code]')).trim();
  const device = await send('POST', '/v1/devices', { code });
  assert.equal(device.till, 'R1');
  assert.ok(device.token, 'a token, told this once');
  await leave(page);

  const { on_hand: before } = await get(`/v1/stock/${MILK_SKU}`);
  await enter(page, 'shift', 'devices');
  const tablet = page.locator('[data-testid=devices] li', { hasText: 'Tablet' });
  await tablet.waitFor();
  await page.getByRole('button', { name: 'Begin training' }).click();
  await page.waitForSelector('[data-testid=training]');
  await look(page, 'training');
  await leave(page);
  const number = await sell(page);
  assert.match(number, /TRAINING/, 'a series of its own');
  assert.equal((await get(`/v1/stock/${MILK_SKU}`)).on_hand, before, 'no goods moved');
  await enter(page, 'shift', 'devices');
  await page.getByRole('button', { name: 'End training' }).click();
  await page.waitForSelector('[data-testid=training]', { state: 'detached' });
  await tablet.getByRole('button', { name: 'Shut out' }).click();
  await tablet.waitFor({ state: 'detached' });
  await leave(page);
}

/** Goods that come back without a receipt: the node's cap decides, and says why not. */
export async function withoutReceipt({ page }) {
  await page.keyboard.press('F7');
  await page.waitForSelector('[data-testid=orders]');
  await page.getByRole('button', { name: 'Without a receipt' }).click();
  await page.waitForSelector('[data-testid=no-receipt]');
  await page.locator('[data-testid=no-receipt]').getByRole('button', { name: 'Give the money back' }).click();
  await page.getByText('Choose what comes back first.').waitFor();
  await scan(page, MILK);
  await page.waitForSelector(`[data-testid=no-receipt] [data-sku=${MILK_SKU}]`);
  await look(page, 'no-receipt');
  await put('/v1/refund-policy', { no_receipt_max: 500 });
  await page.locator('[data-testid=no-receipt]').getByRole('button', { name: 'Give the money back' }).click();
  await page.waitForSelector('[data-testid=order]');
  assert.match(await page.textContent('[data-testid=order] h3'), /^Refund /);
  await leave(page);
}

async function person(page, id, name, pin, role) {
  await page.getByRole('button', { name: 'New member of staff' }).click();
  await page.getByLabel('Short name').fill(id);
  await page.locator('[data-testid=staff-form]').getByLabel('Name', { exact: true }).fill(name);
  await page.locator('[data-testid=staff-form] [data-pin]').fill(pin);
  await page.getByRole('radio', { name: role }).check();
  await page.locator('[data-testid=staff-form]').getByRole('button', { name: 'Save', exact: true }).click();
}

async function signOn(page, name, pin) {
  await page.locator('[data-testid=who] li', { hasText: name }).getByRole('button').click();
  await page.fill('[data-testid=lock] [data-pin]', pin);
  await page.keyboard.press('Enter');
}
