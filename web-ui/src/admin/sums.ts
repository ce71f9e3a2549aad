/** Figures of the reports, added up. Amounts are minor units; sums of two currencies are never one. */
import type { Balance, SalesDay, SoldItem } from './api.ts';

export interface Total { currency: string; sales: number; refunds: number; net: number; tax: number; total: number }

/** What days come to, by currency, in the order in which currencies come. */
export function totals(days: SalesDay[]): Total[] {
  const of = new Map<string, Total>();
  for (const day of days) {
    const sum = of.get(day.currency) ?? { currency: day.currency, sales: 0, refunds: 0, net: 0, tax: 0, total: 0 };
    for (const name of ['sales', 'refunds', 'net', 'tax', 'total'] as const) sum[name] += day[name];
    of.set(day.currency, sum);
  }
  return [...of.values()];
}

export interface Part<Key> { key: Key; units: number; net: number; tax: number }

function grouped<Key>(items: SoldItem[], by: (item: SoldItem) => Key): Part<Key>[] {
  const of = new Map<Key, Part<Key>>();
  for (const item of items) {
    const key = by(item);
    const sum = of.get(key) ?? { key, units: 0, net: 0, tax: 0 };
    sum.units += item.units;
    sum.net += item.net;
    sum.tax += item.tax;
    of.set(key, sum);
  }
  return [...of.values()];
}

/** A day by item, what brought most first. */
export const byItem = (items: SoldItem[]) => grouped(items, (item) => item.sku).sort((a, b) => b.net - a.net || (a.key < b.key ? -1 : 1));

/** A day by hour of the store's clock. */
export const byHour = (items: SoldItem[]) => grouped(items, (item) => item.hour).sort((a, b) => a.key - b.key);

/** What accounts came to over all days, by account and currency; debits less credits. */
export function accounts(balances: Balance[]): { account: string; currency: string; amount: number }[] {
  const of = new Map<string, { account: string; currency: string; amount: number }>();
  for (const { account, currency, amount } of balances) {
    const sum = of.get(`${account} ${currency}`) ?? { account, currency, amount: 0 };
    sum.amount += amount;
    of.set(`${account} ${currency}`, sum);
  }
  return [...of.values()].sort((a, b) => (a.account < b.account ? -1 : a.account > b.account ? 1 : a.currency < b.currency ? -1 : 1));
}

/** The day `back` days before `now` on this computer's calendar, ISO 8601. */
export function dayBefore(back: number, now = new Date()): string {
  const day = new Date(now.getFullYear(), now.getMonth(), now.getDate() - back);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}
