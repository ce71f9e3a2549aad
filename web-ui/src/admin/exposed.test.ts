import { expect, test } from 'vitest';
import type { Item } from './api.ts';
import { look, LOOK_PAGES, LOOK_ROWS, worst } from './exposed.ts';

const item = (sku: string, more: Partial<Item> = {}): Item => ({
  store: '13', sku, on_hand: 5, available: 5, overdraw: 0, suspended: 0, reserved: 0, exposure: 0, exposed: [], incoming: 0, ...more,
});

/** A stock of so many pages; the cursor is the page's number. */
const stock = (pages: number, rows: (page: number) => Item[]) => async (cursor?: string) => {
  const page = Number(cursor ?? 0);
  const last = page + 1 >= pages;
  return { data: rows(page), next_cursor: last ? null : String(page + 1), has_more: !last };
};

test('finds what lacks, is sold beyond, is held by lost nodes or below zero, over all pages', async () => {
  const ask = stock(3, (page) => [
    item(`fine-${page}`), [item('lacks', { exposure: 1 }), item('beyond', { overdraw: 2 }), item('held', { suspended: 1 })][page]!, item(`below-${page}`, { on_hand: -1 }),
  ]);
  const found = await look(ask);
  expect(found.data.map(({ sku }) => sku)).toEqual(['lacks', 'below-0', 'beyond', 'below-1', 'held', 'below-2']);
  expect([found.seen, found.has_more, found.next_cursor]).toEqual([9, false, null]);
});

test('a big stock in order is looked through in parts, and goes on where it stopped', async () => {
  const ask = stock(LOOK_PAGES + 3, (page) => [item(`fine-${page}`), ...(page === LOOK_PAGES + 1 ? [item('late', { exposure: 4 })] : [])]);
  const first = await look(ask);
  expect([first.data, first.seen, first.next_cursor]).toEqual([[], LOOK_PAGES, String(LOOK_PAGES)]);
  const rest = await look(ask, first.next_cursor!);
  expect([rest.data.map(({ sku }) => sku), rest.has_more]).toEqual([['late'], false]);
});

test('a full screen is enough at once', async () => {
  const ask = stock(9, (page) => Array.from({ length: LOOK_ROWS }, (_, n) => item(`${page}-${n}`, { overdraw: 1 })));
  const first = await look(ask);
  expect([first.data.length, first.next_cursor]).toEqual([LOOK_ROWS, '1']);
});

test('the worst stand first', () => {
  const rows = [item('a', { overdraw: 3 }), item('b', { exposure: 1 }), item('c', { exposure: 2 })];
  expect(worst(rows).map(({ sku }) => sku)).toEqual(['c', 'b', 'a']);
  expect(rows.map(({ sku }) => sku)).toEqual(['a', 'b', 'c']);
});
