/** Money on the page: integer minor units everywhere, text only at the edges (`facts.md` and `screens.md` §4.3). */

export type Lang = 'en' | 'vi';

/** The store's currency as the node says it: the exponent is the node's, never a guess of the browser. */
export interface Currency {
  currency: string;
  exponent: number;
}

/** How numbers and times are written; English as in Europe, with 24 hours. */
export const LOCALES: Record<Lang, string> = { en: 'en-GB', vi: 'vi-VN' };
const formats = new Map<string, Intl.NumberFormat>();

function format(key: string, make: () => Intl.NumberFormat): Intl.NumberFormat {
  let known = formats.get(key);
  if (!known) formats.set(key, (known = make()));
  return known;
}

/** Minor units as exact decimal text, `-123` with two decimals is `-1.23`. */
export function decimal(minor: number, exponent: number): string {
  const sign = minor < 0 ? '-' : '';
  const digits = Math.abs(minor).toString().padStart(exponent + 1, '0');
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/** An amount for reading: `€12.34`, `1.234.500 ₫`. Exact, because it is formatted from decimal text. */
export function money(minor: number, of: Currency, lang: Lang): string {
  const shown = format(`m${lang}${of.currency}${of.exponent}`, () => new Intl.NumberFormat(LOCALES[lang], {
    style: 'currency',
    currency: of.currency,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: of.exponent,
    maximumFractionDigits: of.exponent,
  }));
  return shown.format(decimal(minor, of.exponent) as unknown as number);
}

/** A plain number for reading, up to `digits` decimals. */
export function number(value: number, digits: number, lang: Lang): string {
  return format(`n${lang}${digits}`, () => new Intl.NumberFormat(LOCALES[lang], { maximumFractionDigits: digits })).format(value);
}

/**
 * What a cashier typed, in minor units; `null` if it is no amount of this currency.
 *
 * Takes `12.5`, `12,50`, `1.234,56`, `1 234`, and `k` for thousands (`50k` is 50,000). Where the currency has no
 * decimals, points and commas only group digits.
 */
export function parseMoney(text: string, exponent: number): number | null {
  let rest = text.trim().toLowerCase().replace(/[\s'’]/g, '');
  let scale = 1;
  if (rest.endsWith('k')) {
    rest = rest.slice(0, -1);
    scale = 1000;
  }
  if (!/^\d[\d.,]*$|^[.,]\d+$/.test(rest)) return null;
  const parts = splitDecimal(rest, exponent, scale);
  if (!parts) return null;
  const [whole, fraction] = parts;
  const places = scale === 1 ? exponent : exponent + 3;
  if (fraction.length > places) return null;
  const minor = Number(whole + fraction.padEnd(places, '0'));
  return Number.isSafeInteger(minor) ? minor : null;
}

/** Splits at the decimal mark: the last `.` or `,`, unless it can only be a grouping mark. */
function splitDecimal(text: string, exponent: number, scale: number): [string, string] | null {
  const at = Math.max(text.lastIndexOf('.'), text.lastIndexOf(','));
  if (at < 0) return [text, ''];
  const after = text.slice(at + 1);
  const mark = text[at]!;
  const repeated = text.indexOf(mark) !== at;
  const groups = repeated || (exponent === 0 && scale === 1) || (after.length === 3 && exponent < 3 && scale === 1);
  if (groups) {
    if (!/^\d{1,3}([.,]\d{3})+$/.test(text)) return null;
    return [text.replace(/[.,]/g, ''), ''];
  }
  return [text.slice(0, at).replace(/[.,]/g, '') || '0', after];
}

/** Rounds an amount to the smallest step cash is paid in, ties away from zero. The node decides; this only shows. */
export function roundToStep(minor: number, step: number): number {
  if (step <= 1) return minor;
  return Math.sign(minor) * Math.floor((Math.abs(minor) + step / 2) / step) * step;
}

/** Notes in major units, biggest first; other currencies get 1, 2, 5 and their tens. */
const NOTES: Record<string, number[]> = {
  VND: [500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000],
  EUR: [200, 100, 50, 20, 10, 5],
  GBP: [50, 20, 10, 5],
  USD: [100, 50, 20, 10, 5, 1],
  JPY: [10_000, 5_000, 1_000],
  KWD: [20, 10, 5, 1],
};
const OTHER_NOTES = [1000, 500, 200, 100, 50, 20, 10, 5, 2, 1];

/** Coins in minor units, biggest first; a currency that isn't here is counted without coins. */
const COINS: Record<string, number[]> = {
  EUR: [200, 100, 50, 20, 10, 5, 2, 1],
  GBP: [200, 100, 50, 20, 10, 5, 2, 1],
  USD: [25, 10, 5, 1],
  JPY: [500, 100, 50, 10, 5, 1],
};

/** All notes and coins of a drawer in minor units, biggest first. */
export function denominations(of: Currency): number[] {
  const notes = (NOTES[of.currency] ?? OTHER_NOTES).map((note) => note * 10 ** of.exponent);
  return [...notes, ...(COINS[of.currency] ?? [])];
}

/** What a customer is likely to hand over for `due`: the amount itself, then sums of the next notes; at most four. */
export function quickAmounts(due: number, of: Currency): number[] {
  if (due <= 0) return [];
  const notes = (NOTES[of.currency] ?? OTHER_NOTES).map((note) => note * 10 ** of.exponent);
  const likely = notes.filter((note) => note * 10 >= due).map((note) => Math.ceil(due / note) * note);
  const amounts = new Set([due, ...likely.sort((a, b) => a - b)]);
  return [...amounts].slice(0, 4);
}
