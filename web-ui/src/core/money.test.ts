import { expect, test } from 'vitest';
import { decimal, denominations, money, parseMoney, quickAmounts, roundToStep, type Lang } from './money.ts';
import { settle } from './settle.ts';

const EUR = { currency: 'EUR', exponent: 2 };
const VND = { currency: 'VND', exponent: 0 };
const KWD = { currency: 'KWD', exponent: 3 };

/** Intl puts no-break spaces; the table is written with plain ones. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');

test.each([
  [1234, EUR, 'en', '€12.34'],
  [-5, EUR, 'en', '-€0.05'],
  [123456789, EUR, 'en', '€1,234,567.89'],
  [1234500, VND, 'vi', '1.234.500 ₫'],
  [1234500, VND, 'en', '₫1,234,500'],
  [1005, KWD, 'en', 'KWD 1.005'],
  [9007199254740991, EUR, 'en', '€90,071,992,547,409.91'],
] as [number, typeof EUR, Lang, string][])('%s of %o in %s reads %s', (minor, of, lang, text) => {
  expect(plain(money(minor, of, lang))).toBe(text);
});

test.each([[0, 2, '0.00'], [-5, 2, '-0.05'], [7, 0, '7'], [1, 3, '0.001'], [100, 2, '1.00']])('%s with %s decimals is %s', (minor, exponent, text) => {
  expect(decimal(minor, exponent)).toBe(text);
});

test.each([
  ['12', 2, 1200],
  ['12.5', 2, 1250],
  ['12,50', 2, 1250],
  ['.5', 2, 50],
  ['12.', 2, 1200],
  ['1 234,56', 2, 123456],
  ['1.234,56', 2, 123456],
  ['1,234.56', 2, 123456],
  ['1.234', 2, 123400],
  ['1.234', 3, 1234],
  ['0', 2, 0],
  ['20000', 0, 20000],
  ['1.234.500', 0, 1234500],
  ['50k', 0, 50000],
  ['1,5k', 0, 1500],
  ['2K', 2, 200000],
  ['', 2, null],
  ['-5', 2, null],
  ['12.345', 2, 1234500],
  ['12.3456', 2, null],
  ['12.5', 0, null],
  ['1.2.3', 2, null],
  ['abc', 2, null],
  ['1e5', 2, null],
  ['99999999999999999', 2, null],
])('a cashier who types %j with %s decimals means %s', (text, exponent, minor) => {
  expect(parseMoney(text, exponent)).toBe(minor);
});

test.each([[1.01, 1.0], [1.02, 1.0], [1.03, 1.05], [1.07, 1.05], [1.08, 1.1], [-1.03, -1.05], [0, 0]])('%s rounds to %s in steps of 0.05', (from, to) => {
  expect(roundToStep(Math.round(from * 100), 5) / 100).toBeCloseTo(to, 9);
});

test('quick amounts are the sum itself and what notes make of it', () => {
  expect(quickAmounts(78_500, VND)).toEqual([78_500, 80_000, 100_000, 200_000]);
  expect(quickAmounts(1670, EUR)).toEqual([1670, 2000, 5000, 10000]);
  expect(quickAmounts(2000, EUR)).toEqual([2000, 5000, 10000, 20000]);
  expect(quickAmounts(0, EUR)).toEqual([]);
});

// The last four are of the golden store day and its vectors (`money.md`).
test.each([
  ['nothing given', 1000, 0, 0, 1, { missing: 1000, change: 0, cashDue: 1000 }],
  ['short', 1000, 0, 700, 1, { missing: 300, change: 0, cashDue: 1000 }],
  ['all by card', 1999, 1999, 0, 5, { missing: 0, change: 0, cashDue: 0 }],
  ['nothing to pay', 0, 0, 0, 5, { missing: 0, change: 0, cashDue: 0 }],
  ['#102', 2453, 0, 3000, 5, { missing: 0, change: 545, cashDue: 2455 }],
  ['#103', 4132, 2000, 5000, 5, { missing: 0, change: 2870, cashDue: 2130 }],
  ['exact coins', 231, 0, 231, 5, { missing: 0, change: 0, cashDue: 230 }],
  ['#108', 3389, 0, 4000, 5, { missing: 0, change: 610, cashDue: 3390 }],
])('settling %s', (_story, total, other, cash, step, settled) => {
  expect(settle(total, other, cash, step)).toEqual(settled);
});

test.each([
  [{ currency: 'EUR', exponent: 2 }, 20_000, 1],
  [{ currency: 'VND', exponent: 0 }, 500_000, 1_000],
  [{ currency: 'XTS', exponent: 2 }, 100_000, 100],
])('a drawer of %j is counted from the biggest note to the smallest coin', (of, biggest, smallest) => {
  const values = denominations(of);
  expect(values).toEqual([...values].sort((a, b) => b - a));
  expect([values[0], values.at(-1)]).toEqual([biggest, smallest]);
});
