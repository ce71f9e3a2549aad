import { expect, test } from 'vitest';
import { milliOf, parseUnits, shownUnits, typedUnits, unitsOf, type Unit } from './units.ts';

const PIECE: Unit = { base: 'piece', base_per_unit: 1 };
const KILO: Unit = { base: 'gram', base_per_unit: 1000 };
const CASE: Unit = { base: 'millilitre', base_per_unit: 100 };

test('base units are read in the unit of the price', () => {
  expect(shownUnits(24, PIECE, 'en')).toBe('24');
  expect(shownUnits(12_500, KILO, 'en')).toBe('12.5 kg');
  expect(shownUnits(12_500, KILO, 'vi')).toBe('12,5 kg');
  expect(shownUnits(-3, PIECE, 'en')).toBe('-3');
  expect(shownUnits(7, null, 'en')).toBe('7');
});

test.each<[string, Unit | null, number | null]>([
  ['24', PIECE, 24],
  ['0', PIECE, 0],
  ['1.5', PIECE, null],
  ['1,25', KILO, 1250],
  ['0.0005', KILO, null],
  ['1.5', CASE, 150],
  ['', PIECE, null],
  ['-1', PIECE, null],
  ['abc', null, null],
  ['7', null, 7],
])('%s is so many base units', (text, unit, units) => {
  expect(parseUnits(text, unit)).toBe(units);
});

test('what is put into a field comes back as it was', () => {
  for (const [units, unit] of [[1234, KILO], [17, PIECE], [250, CASE]] as const) {
    expect(parseUnits(typedUnits(units, unit), unit)).toBe(units);
    expect(unitsOf(milliOf(units, unit), unit)).toBe(units);
  }
});
