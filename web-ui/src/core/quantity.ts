/** Quantities: thousandths of the pricing unit on the wire, decimals for people. */
import { number, type Lang } from './money.ts';

export type Base = 'piece' | 'gram' | 'millilitre' | 'millimetre';

/** How a pricing unit is called beside a quantity; a piece needs no name. */
export function unitName(base: Base, basePerUnit: number): string {
  if (base === 'gram') return basePerUnit === 1000 ? 'kg' : measured(basePerUnit, 'g');
  if (base === 'millilitre') return basePerUnit === 1000 ? 'l' : measured(basePerUnit, 'ml');
  if (base === 'millimetre') return basePerUnit === 1000 ? 'm' : measured(basePerUnit, 'mm');
  return '';
}

function measured(count: number, unit: string): string {
  return count === 1 ? unit : `${count} ${unit}`;
}

/** `1250` is `1.25` (en) or `1,25` (vi). */
export function quantity(milli: number, lang: Lang): string {
  return number(milli / 1000, 3, lang);
}

/** What was typed, in thousandths; `null` unless it is above zero with at most three decimals. */
export function parseQuantity(text: string): number | null {
  const rest = text.trim().replace(',', '.');
  if (!/^\d{0,9}(\.\d{0,3})?$/.test(rest) || !/\d/.test(rest)) return null;
  const [whole, fraction = ''] = rest.split('.');
  const milli = Number((whole || '0') + fraction.padEnd(3, '0'));
  return milli > 0 && milli <= 1_000_000_000 ? milli : null;
}

/** A percentage as typed, in parts per million; `null` unless it is above 0 and at most 100. */
export function parsePercent(text: string): number | null {
  const rest = text.trim().replace(',', '.').replace(/\s*%$/, '');
  if (!/^\d{1,3}(\.\d{1,4})?$/.test(rest)) return null;
  const [whole, fraction = ''] = rest.split('.');
  const ppm = Number(whole + fraction.padEnd(4, '0'));
  return ppm > 0 && ppm <= 1_000_000 ? ppm : null;
}
