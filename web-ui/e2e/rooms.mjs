/** Stories of the rooms around the counter: each is walked as a user would, and looked at in both themes. */
import assert from 'node:assert/strict';
import { fingers, lines, looksRight, openTill, scan, shot, until, untilLines, untilView, URL_OF_NODE, withCheckDigit } from './browser.mjs';
import { enter, get, leave, look, MILK, MILK_SKU, sell, toast } from './walk.mjs';

export async function lookingUpStock({ page }) {
  await enter(page, 'stock');
  await look(page, 'stock-empty');
  await scan(page, MILK);
  await page.waitForSelector(`[data-testid=stock][data-sku=${MILK_SKU}]`);
  const before = (await get(`/v1/stock/${MILK_SKU}`)).on_hand;
  await until('the shelf’s figure', async () => (await page.textContent('[data-testid=on-hand]')) === String(before));
  await page.getByLabel('How much is gone').fill('x');
  await page.getByRole('button', { name: 'Book', exact: true }).click();
  await page.getByText('Type a number, not below zero').waitFor();
  await look(page, 'stock');
  await page.getByLabel('How much is gone').fill('2');
  await page.keyboard.press('Enter');
  await toast(page, 'The correction is booked.');
  await until('two are gone', async () => (await page.textContent('[data-testid=on-hand]')) === String(before - 2));
  assert.equal((await get(`/v1/stock/${MILK_SKU}`)).on_hand, before - 2);
  await scan(page, withCheckDigit('952020200999'));
  await toast(page, 'No product has this barcode.');
  await leave(page);
}

export async function counting({ page }) {
  await enter(page, 'stock', 'counts');
  await scan(page, MILK);
  const row = page.locator(`[data-testid=counts] [data-sku=${MILK_SKU}]`);
  await row.waitFor();
  assert.ok(!/\d{2,}/.test((await row.innerText()).replace(/since.*/, '')), 'a count is blind: no figure of the books stands there');
  await look(page, 'counts');
  const { on_hand: books } = await get(`/v1/stock/${MILK_SKU}`);
  const found = row.getByLabel(/^Found of/);
  await found.fill('1.5');
  await row.getByRole('button', { name: 'Done' }).click();
  await row.getByText('Type a number').waitFor();
  await found.fill(String(books - 1));
  await page.keyboard.press('Enter');
  await page.locator(`[data-testid=counted] [data-sku=${MILK_SKU}]`, { hasText: '1 missing' }).waitFor();
  assert.equal((await get(`/v1/stock/${MILK_SKU}`)).on_hand, books - 1);
  await look(page, 'counted');

  await page.fill('[data-testid=item]', '9520202000024');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=counts] [data-sku=EN-002]').getByRole('button', { name: 'Give up' }).click();
  await page.locator('[data-testid=counts] [data-sku=EN-002]').waitFor({ state: 'detached' });
  await leave(page);
}

export async function receiving({ page }) {
  const { on_hand: before } = await get(`/v1/stock/${MILK_SKU}`);
  await enter(page, 'stock', 'deliveries');
  await page.getByText('No delivery is announced.').waitFor();
  await page.getByRole('button', { name: 'Goods nobody announced' }).click();
  await page.waitForSelector('[data-testid=receiving]');
  for (let crate = 0; crate < 3; crate++) await scan(page, MILK);
  const much = page.locator(`[data-testid=arrival] [data-sku=${MILK_SKU}] input`);
  await until('every scan counts one', async () => (await much.inputValue()) === '3');
  await much.fill('24');
  await page.getByRole('button', { name: 'Book receipt' }).click();
  await page.getByText('Type the number of the delivery note.').waitFor();
  await look(page, 'receiving');
  await page.getByLabel('Delivery note number').fill('DN-1001');
  await page.getByRole('button', { name: 'Book receipt' }).click();
  await toast(page, 'The goods are booked.');
  assert.equal((await get(`/v1/stock/${MILK_SKU}`)).on_hand, before + 24);
  await leave(page);
}

/** A store of its own has no other store and no web orders: the screens say so, in words. */
export async function transfersAndPickups({ page }) {
  await enter(page, 'stock', 'transfers');
  await page.getByText('Nothing is under way.').waitFor();
  await page.getByRole('button', { name: 'Send to another store' }).click();
  await page.waitForSelector('[data-testid=shipping]');
  await scan(page, MILK);
  await page.waitForSelector(`[data-testid=arrival] [data-sku=${MILK_SKU}]`);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.getByText('Type the code of the other store.').waitFor();
  await look(page, 'transfers');
  await page.getByLabel('Code of the other store').fill('S2');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.waitForSelector('.toast.error');
  await page.click('.tabs [data-tab=pickups]');
  await page.getByText('No order waits to be picked up.').waitFor();
  await look(page, 'pickups');
  await leave(page);
}

export async function findingAndRefunding({ page }) {
  const number = await sell(page);
  const { on_hand: before } = await get(`/v1/stock/${MILK_SKU}`);
  await page.keyboard.press('F7');
  await page.waitForSelector('[data-testid=orders] li');
  await page.fill('[data-testid=receipt-search]', number);
  await page.keyboard.press('Enter');
  await page.waitForSelector(`[data-testid=order][data-number="${number}"]`);
  await page.waitForSelector('[data-testid=order] pre');
  await look(page, 'receipt');
  await page.getByRole('button', { name: 'Refund', exact: true }).click();
  await page.waitForSelector('[data-testid=refund]');
  await page.getByRole('button', { name: 'Give the money back' }).click();
  await page.getByText('Choose what comes back first.').waitFor();
  await page.getByRole('button', { name: /^One more/ }).first().click();
  await look(page, 'refund');
  assert.ok(await page.getByRole('radio', { name: 'As it was paid' }).isChecked(), 'the node says what is left of the sale');
  await page.getByRole('button', { name: 'Give the money back' }).click();
  await page.waitForSelector('[data-testid=refunded]');
  assert.equal(await page.textContent('[data-testid=refunded] .huge'), '€1.40', 'cash is rounded');
  await look(page, 'refunded');
  assert.equal((await get(`/v1/stock/${MILK_SKU}`)).on_hand, before + 1, 'back on the shelf');
  await page.getByText('1 came back').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Refund', exact: true }).count(), 0, 'nothing is left to give back');
  await page.keyboard.press('Escape');
  await untilView(page, 'sell');
}

export async function readingTheStatus({ page }) {
  await page.click('[data-testid=status]');
  await page.waitForSelector('[data-testid=room][data-room=status]');
  await page.locator('[data-testid=sync]', { hasText: 'works on its own' }).waitFor();
  await page.locator('[data-testid=health]', { hasText: 'It sells and saves.' }).waitFor();
  await page.locator('[data-testid=neighbours]', { hasText: 'None.' }).waitFor();
  await look(page, 'status');
  await page.reload();
  await page.waitForSelector('[data-testid=room][data-room=status]');
  await page.goBack().catch(() => {});
  await page.goto(`${URL_OF_NODE}/`);
  await page.waitForSelector('[data-testid=products] li');
}

/** Customers are written down and found, also without the head office. */
export async function knowingCustomers({ page }) {
  await page.keyboard.press('F3');
  await page.waitForSelector('[data-testid=room][data-room=customers]');
  await page.getByRole('button', { name: 'New customer' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Type the name.').waitFor();
  await page.getByLabel('Name', { exact: true }).fill('Nguyễn Thị Lan');
  await page.getByLabel('Phone', { exact: true }).fill('0901 234 567');
  await look(page, 'customer-new');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await toast(page, 'The customer is saved.');
  await page.fill('[data-testid=customer-search]', 'nguyen thi');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=customers] li', { hasText: 'Nguyễn Thị Lan' }).first().waitFor();
  await page.fill('[data-testid=customer-search]', '234567');
  await page.keyboard.press('Enter');
  const found = page.locator('[data-testid=customers] li', { hasText: 'Nguyễn Thị Lan' }).first();
  await found.waitFor();
  await look(page, 'customers');
  await found.getByRole('button', { name: 'For this sale' }).click();
  await untilView(page, 'sell');
  await page.getByRole('button', { name: 'Cancel sale' }).click();
}

/** The longer language on the smaller screen. */
export async function roomsInVietnamese({ browser, complaints }) {
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'vi-VN', colorScheme: 'dark', reducedMotion: 'reduce' });
  const page = await openTill(context, complaints);
  for (const place of ['stock/lookup', 'stock/counts', 'stock/deliveries', 'stock/transfers', 'stock/pickups', 'orders', 'customers', 'shift/now', 'shift/z', 'shift/staff', 'shift/printer', 'shift/devices', 'shift/owed', 'orders/none', 'status']) {
    const [room, part] = place.split('/');
    await page.evaluate((hash) => { location.hash = hash; }, `#/${place}`);
    await page.waitForSelector(`[data-testid=room][data-room=${room}]${part ? `[data-place=${part}]` : ''}`);
    await page.waitForFunction(() => !/Đang tải/.test(document.querySelector('main').innerText));
    await shot(page, `vi-${place.replace('/', '-')}`);
    await looksRight(page, `${place} (vi)`);
  }
  await context.close();
}

/** A second window for the customer: it follows the till by itself. */
export async function showingTheCustomer(till) {
  const { page, browser } = till;
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, locale: 'en-GB' });
  const display = await context.newPage();
  await display.goto(`${URL_OF_NODE}/display/R9`);
  await display.waitForSelector('[data-testid=display][data-state=idle]');
  await look(display, 'display-idle');
  await display.goto(`${URL_OF_NODE}/display/R1`);
  await display.waitForSelector('[data-testid=display]');
  await scan(page, MILK);
  await scan(page, '9520202000024');
  await untilLines(page, 2);
  const total = await page.textContent('[data-testid=total]');
  await until('the customer sees the same', async () => (await display.locator('[data-testid=total]').textContent().catch(() => '')) === total);
  assert.equal(await display.locator('[data-testid=lines] li').count(), (await lines(page)).length);
  await look(display, 'display-cart');
  await page.keyboard.press('F9');
  await untilView(page, 'pay');
  await fingers(page, '10');
  await page.keyboard.press('Enter');
  await untilView(page, 'done');
  const change = await page.textContent('[data-testid=change]');
  await display.waitForSelector('[data-testid=display][data-state=done]');
  assert.equal(await display.textContent('[data-testid=change]'), change);
  await look(display, 'display-done');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
  await context.close();
}

/** Two browsers on one cart see each other's lines; one goes, the other goes on. */
export async function sharingACart(till) {
  const { page, browser, complaints } = till;
  await scan(page, MILK);
  await untilLines(page, 1);
  const id = await page.evaluate(() => location.hash.replace('#cart=', ''));
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, locale: 'vi-VN' });
  const other = await openTill(context, complaints, `#cart=${id}`);
  await untilLines(other, 1);
  await scan(other, '9520202000024');
  await untilLines(page, 2);
  await page.keyboard.press('Delete');
  await until('both have one line again', async () => (await lines(page)).length === 1 && (await lines(other)).length === 1);
  assert.deepEqual((await lines(page)).map((line) => line.sku), (await lines(other)).map((line) => line.sku));
  await context.close();
  await page.keyboard.press('F10');
  await untilView(page, 'done');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
}
