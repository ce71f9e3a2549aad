/** What the stories of the rooms and of the day share: ways in and out, and looking at a screen in both themes. */
import { looksRight, scan, shot, untilLines, untilView, URL_OF_NODE } from './browser.mjs';

export const MILK = '9520202000017';
export const MILK_SKU = 'EN-001';

export const get = async (path) => (await fetch(URL_OF_NODE + path)).json();

/** In both themes, with a picture of each. */
export async function look(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await shot(page, `${name}-${colorScheme}`);
    await looksRight(page, `${name} (${colorScheme})`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

export async function enter(page, room, place) {
  await page.keyboard.press('F1');
  await page.click(`[data-testid=rooms] [data-room=${room}]`);
  await page.waitForSelector(`[data-testid=room][data-room=${room}]`);
  if (!place) return;
  await page.click(`.tabs [data-tab=${place}]`);
  await page.waitForSelector(`[data-testid=room][data-place=${place}]`);
}

export async function leave(page) {
  await page.getByRole('button', { name: 'Back to selling' }).click();
  await untilView(page, 'sell');
}

export const toast = (page, text) => page.locator('[data-testid=toast]', { hasText: text }).first().waitFor();

export async function sell(page) {
  await scan(page, MILK);
  await untilLines(page, 1);
  await page.keyboard.press('F10');
  await untilView(page, 'done');
  const number = await page.textContent('[data-testid=receipt-number]');
  await page.keyboard.press('Enter');
  await untilView(page, 'sell');
  return number;
}
