import { expect, test } from 'vitest';
import { parsePercent, parseQuantity, quantity, unitName } from './quantity.ts';
import { age } from './time.ts';
import { timeOf, uuid7 } from './uuid7.ts';

test('ids are UUIDs of version 7 that carry their time and never repeat', () => {
  const now = Date.UTC(2026, 10, 22, 12);
  const ids = Array.from({ length: 500 }, () => uuid7(now));
  expect(new Set(ids).size).toBe(500);
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(timeOf(id)).toBe(now);
  }
  expect(uuid7(now) < uuid7(now + 1)).toBe(true);
  expect(timeOf('c232ab00-9414-41ec-b3c8-9f6bdeced846')).toBe(null);
});

test.each([['1', 1000], ['0.486', 486], ['0,486', 486], ['.5', 500], ['2.', 2000], ['0', null], ['', null], ['1.2345', null], ['-1', null], ['x', null], ['9999999', null]])(
  'the quantity %j is %s thousandths', (text, milli) => expect(parseQuantity(text)).toBe(milli),
);

test.each([['10', 100_000], ['12.5', 125_000], ['12,5 %', 125_000], ['100', 1_000_000], ['0', null], ['101', null], ['x', null]])(
  '%j percent is %s ppm', (text, ppm) => expect(parsePercent(text)).toBe(ppm),
);

test('quantities read in the language and with their unit', () => {
  expect(quantity(1250, 'en')).toBe('1.25');
  expect(quantity(1250, 'vi')).toBe('1,25');
  expect(unitName('gram', 1000)).toBe('kg');
  expect(unitName('gram', 100)).toBe('100 g');
  expect(unitName('piece', 1)).toBe('');
});

test.each([[0, 0, 'second'], [59_999, 59, 'second'], [125_000, 2, 'minute'], [7_200_000, 2, 'hour'], [200_000_000, 2, 'day'], [-5, 0, 'second']])(
  '%s ms is %s %s', (ms, count, unit) => expect(age(ms)).toEqual([count, unit]),
);
