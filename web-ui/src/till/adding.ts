/** From a code or a product to a line: asks for the weight or the age where the item needs it. */
import { api } from '../api/client.ts';
import type { AgeCheck, CartLine, NewLine, Product } from '../api/types.ts';
import { asks } from './asks.svelte.ts';
import { basket } from './basket.svelte.ts';

/** A scanned or typed code. */
export async function addCode(code: string): Promise<boolean> {
  return numbered(await basket.run(async () => {
    const found = await api.lookup(code);
    const counted = found.quantity_milli !== null || found.label_amount !== null;
    await add(found.product, { code }, counted);
  }));
}

/** A product that was picked by hand. */
export async function addProduct(product: Product): Promise<boolean> {
  return numbered(await basket.run(() => add(product, { sku: product.sku }, false)));
}

/** Goods that are sold with a number each: it is asked for while they are at hand. */
function numbered(added: boolean): boolean {
  const line = basket.unnumbered;
  if (added && line && line.line === basket.selected) void asks.ask({ kind: 'serials', line: line.line });
  return added;
}

async function add(product: Product, item: NewLine, counted: boolean): Promise<void> {
  if (product.weighed && !counted) {
    const milli = await asks.ask<number>({ kind: 'weight', product });
    if (milli === null) return;
    item.quantity_milli = milli;
  }
  if (product.min_age !== null) {
    const check = await ageCheck(product.name, product.min_age);
    if (!check) return;
    item.age_check = check;
  }
  const twin = counted ? undefined : sameGoods(product);
  if (twin) await basket.oneMore(twin);
  else await basket.put(item);
  if (item.age_check && item.age_check.min_age > (basket.ageCheck?.min_age ?? 0)) basket.ageCheck = item.age_check;
}

/** A line of whole pieces of the same goods at the same price, with nothing taken off: it counts one up. */
function sameGoods(product: Product): CartLine | undefined {
  if (product.weighed || basket.sale) return undefined;
  return basket.lines.find((line) =>
    line.sku === product.sku && line.unit_price === product.price && line.quantity_milli % 1000 === 0 &&
    line.discount === 0 && line.note === null);
}

async function ageCheck(name: string, years: number): Promise<AgeCheck | null> {
  const known = basket.sale ? null : basket.ageCheck;
  if (known && known.min_age >= years) return { ...known, min_age: years };
  const method = await asks.ask<string>({ kind: 'age', name, years });
  return method === null ? null : { min_age: years, method };
}
