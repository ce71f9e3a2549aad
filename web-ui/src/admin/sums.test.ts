import { expect, test } from 'vitest';
import { accounts, byHour, byItem, dayBefore, totals } from './sums.ts';

test('days of one currency add up, those of another stay apart', () => {
  const day = (day: string, currency: string, total: number) => ({ day, currency, sales: 2, refunds: 1, net: total - 20, tax: 20, total });
  expect(totals([day('2026-11-22', 'EUR', 120), day('2026-11-23', 'VND', 50_000), day('2026-11-23', 'EUR', 220)])).toEqual([
    { currency: 'EUR', sales: 4, refunds: 2, net: 300, tax: 40, total: 340 },
    { currency: 'VND', sales: 2, refunds: 1, net: 49_980, tax: 20, total: 50_000 },
  ]);
  expect(totals([])).toEqual([]);
});

const SOLD = [
  { hour: 9, sku: 'MUG', units: 2, net: 200, tax: 20 },
  { hour: 17, sku: 'CUP', units: 1, net: 300, tax: 30 },
  { hour: 9, sku: 'CUP', units: -1, net: -300, tax: -30 },
  { hour: 17, sku: 'TEA', units: 1, net: 200, tax: 20 },
];

test('a day by item, the best first, and by hour in the order of the day', () => {
  expect(byItem(SOLD)).toEqual([
    { key: 'MUG', units: 2, net: 200, tax: 20 }, { key: 'TEA', units: 1, net: 200, tax: 20 }, { key: 'CUP', units: 0, net: 0, tax: 0 },
  ]);
  expect(byHour(SOLD)).toEqual([{ key: 9, units: 1, net: -100, tax: -10 }, { key: 17, units: 2, net: 500, tax: 50 }]);
});

test('accounts come to the same as the journal', () => {
  const books = [
    { day: '2026-11-22', account: 'cash', currency: 'EUR', amount: 120 }, { day: '2026-11-22', account: 'revenue', currency: 'EUR', amount: -120 },
    { day: '2026-11-23', account: 'cash', currency: 'EUR', amount: -20 }, { day: '2026-11-23', account: 'revenue', currency: 'EUR', amount: 20 },
    { day: '2026-11-23', account: 'cash', currency: 'USD', amount: 5 },
  ];
  expect(accounts(books)).toEqual([
    { account: 'cash', currency: 'EUR', amount: 100 }, { account: 'cash', currency: 'USD', amount: 5 }, { account: 'revenue', currency: 'EUR', amount: -100 },
  ]);
});

test('days are those of the calendar, over the ends of months and years', () => {
  expect(dayBefore(0, new Date(2026, 10, 23, 23, 59))).toBe('2026-11-23');
  expect(dayBefore(6, new Date(2026, 0, 3, 0, 1))).toBe('2025-12-28');
});
