/** Stock is counted in base units (pieces, grams); people read and type it in the unit it is priced by. */
import { quantity, unitName, type Base } from './quantity.ts';
import type { Lang } from './money.ts';

export interface Unit {
  base: Base;
  base_per_unit: number;
}

/** `12500` grams of something priced by the kilogram are `12.5 kg`; an unknown unit is counted in pieces. */
export function shownUnits(units: number, unit: Unit | null, lang: Lang): string {
  const per = unit?.base_per_unit ?? 1;
  const name = unit ? unitName(unit.base, per) : '';
  const much = quantity(Math.round((units * 1000) / per), lang);
  return name ? `${much} ${name}` : much;
}

/** As typed, in base units; `null` unless it is a whole number of them and not below zero. */
export function parseUnits(text: string, unit: Unit | null): number | null {
  const rest = text.trim().replace(',', '.');
  if (!/^\d{1,9}(\.\d{0,3})?$/.test(rest)) return null;
  const [whole, fraction = ''] = rest.split('.');
  const milli = Number(whole + fraction.padEnd(3, '0'));
  const units = (milli * (unit?.base_per_unit ?? 1)) / 1000;
  return Number.isSafeInteger(units) ? units : null;
}

/** Base units as text for a field: what `parseUnits` takes back. */
export function typedUnits(units: number, unit: Unit | null): string {
  return String(Math.round((units * 1000) / (unit?.base_per_unit ?? 1)) / 1000);
}

/** Base units that a quantity in thousandths of the pricing unit is. */
export function unitsOf(milli: number, unit: Unit | null): number {
  return Math.round((milli * (unit?.base_per_unit ?? 1)) / 1000);
}

/** Thousandths of the pricing unit that so many base units are. */
export function milliOf(units: number, unit: Unit | null): number {
  return Math.round((units * 1000) / (unit?.base_per_unit ?? 1));
}
