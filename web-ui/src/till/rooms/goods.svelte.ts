/** Products that lists name by their code only, asked for once each. */
import { api } from '../../api/client.ts';
import type { Product } from '../../api/types.ts';

class Goods {
  #known = $state<Record<string, Product>>({});
  #asked = new Set<string>();

  /** The product, as soon as the node has told of it. */
  of(sku: string): Product | undefined {
    return this.#known[sku];
  }

  name(sku: string): string {
    return this.#known[sku]?.name ?? sku;
  }

  keep(product: Product): void {
    this.#known[product.sku] = product;
  }

  /** Asks for those that aren't known; one that can't be had stays a code. */
  async want(skus: string[]): Promise<void> {
    const fresh = [...new Set(skus)].filter((sku) => !this.#asked.has(sku));
    fresh.forEach((sku) => this.#asked.add(sku));
    await Promise.all(fresh.map(async (sku) => {
      try {
        this.keep(await api.product(sku));
      } catch {
        this.#asked.delete(sku);
      }
    }));
  }
}

export const goods = new Goods();
