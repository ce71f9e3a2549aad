/** What the customer sees: the cart this till works on, as the node tells it. It only looks, and never writes. */
import { Problem, api } from '../api/client.ts';
import { listen } from '../api/events.ts';
import { tenders } from '../api/tenders.ts';
import type { Bootstrap, Cart, Sale } from '../api/types.ts';
import { money } from '../core/money.ts';
import { timeOf } from '../core/uuid7.ts';
import { settings } from '../ui/settings.svelte.ts';

const RETRY_MS = 2000;
/** How long a finished sale stays, unless the next customer's goods are scanned before. */
const THANKS_MS = 30_000;

/** A cart left behind longer ago is nobody's who stands here. */
const FRESH_MS = 30 * 60_000;

function isFresh(cart: string): boolean {
  return Date.now() - (timeOf(cart) ?? 0) < FRESH_MS;
}

export class Shown {
  boot = $state.raw<Bootstrap | null>(null);
  cart = $state.raw<Cart | null>(null);
  sale = $state.raw<Sale | null>(null);
  qr = $state.raw<{ text: string; amount: number } | null>(null);
  lost = $state(false);
  #forget: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly till: string) {}

  /** Runs for as long as the page lives. */
  async run(): Promise<void> {
    for (;;) {
      try {
        this.boot = await api.bootstrap();
        this.lost = false;
        // First it listens, then it asks: nothing falls in between.
        await listen(
          (event) => {
            if (event.name === 'missed') void this.#find().catch(() => {});
            if (event.name === 'cart.updated') void this.#changed(event.data).catch(() => {});
          },
          new AbortController().signal,
          () => void this.#find().catch(() => {}),
        );
      } catch (error) {
        this.lost = !(error instanceof Problem);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  money(minor: number): string {
    return money(minor, this.boot ?? { currency: 'EUR', exponent: 2 }, settings.lang);
  }

  /** After a start: the open cart of this till that changed last. */
  async #find(): Promise<void> {
    const open = await api.carts('open');
    const mine = open.find((cart) => cart.till === this.till && cart.lines.length > 0 && isFresh(cart.id));
    if (mine) await this.#show(mine);
    else if (this.cart) await this.#changed(JSON.stringify({ id: this.cart.id }));
  }

  async #changed(data: string): Promise<void> {
    const { id } = JSON.parse(data) as { id: string };
    const cart = await api.cart(id);
    if (cart.till === this.till) await this.#show(cart);
  }

  async #show(cart: Cart): Promise<void> {
    const old = this.cart;
    if (old && old.id === cart.id && cart.version < old.version) return;
    if (cart.state === 'paid' && cart.sale_id) return this.#thank(await api.sale(cart.sale_id));
    if (cart.state === 'open' || cart.state === 'tendering') {
      clearTimeout(this.#forget);
      this.sale = null;
      this.cart = cart;
      this.qr = cart.state === 'tendering' ? await this.#code(cart.id) : null;
    } else if (old?.id === cart.id) this.#clear();
  }

  /** What the customer scans with their bank's app, while it waits for them. */
  async #code(cart: string): Promise<{ text: string; amount: number } | null> {
    const row = (await tenders.of(cart)).tenders.find((one) => one.qr !== null && one.state === 'requested');
    return row?.qr ? { text: row.qr, amount: row.amount } : null;
  }

  #thank(sale: Sale): void {
    this.#clear();
    this.sale = sale;
    this.#forget = setTimeout(() => this.#clear(), THANKS_MS);
  }

  #clear(): void {
    clearTimeout(this.#forget);
    this.cart = this.sale = this.qr = null;
  }
}
