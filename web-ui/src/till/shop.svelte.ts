/** What the node said at start about this store and till, and how its amounts are shown. */
import { Problem, api, credentials } from '../api/client.ts';
import type { Bootstrap, Product } from '../api/types.ts';
import { money } from '../core/money.ts';
import { unitName } from '../core/quantity.ts';
import { remember, remembered, settings } from '../ui/settings.svelte.ts';

class Shop {
  boot = $state.raw<Bootstrap | null>(null);
  /** The node doesn't know this browser: it has to be paired first. */
  strange = $state(false);

  async load(): Promise<void> {
    credentials.token = remembered('token');
    try {
      this.boot = await api.bootstrap();
      this.strange = false;
    } catch (error) {
      if (error instanceof Problem && error.code === 'UNAUTHORIZED') this.strange = true;
      throw error;
    }
    const named = new URLSearchParams(location.search).get('till');
    if (named && /^[a-z0-9]{1,8}$/i.test(named)) remember('till', named);
  }

  /** This browser's till: the one its address named once (`/?till=R2`), else the computer's own. */
  get till(): string {
    // A paired device stands at the till it was paired for.
    if (this.boot?.device) return this.boot.till;
    return remembered('till') ?? this.boot?.till ?? '';
  }

  get exponent(): number {
    return this.boot?.exponent ?? 2;
  }

  /** Minor units for reading, in the store's currency and the user's language. */
  money(minor: number): string {
    const of = this.boot ?? { currency: 'EUR', exponent: 2 };
    return money(minor, of, settings.lang);
  }

  /** The price of a product with its unit: `€2.40 / kg`. */
  price(product: Product): string {
    if (product.price === null) return settings.t.noPrice;
    const unit = unitName(product.unit.base, product.unit.base_per_unit);
    const amount = this.money(product.price);
    return unit ? settings.t.pricePer(amount, unit) : amount;
  }
}

export const shop = new Shop();
