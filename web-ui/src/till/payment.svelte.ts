/** The tenders taken so far for the open cart. The node settles; what is reckoned here is only shown. */
import type { Tender } from '../api/types.ts';
import { parseMoney, roundToStep } from '../core/money.ts';
import { settle, type Settled } from '../core/settle.ts';
import { settings } from '../ui/settings.svelte.ts';
import { beep } from '../ui/sound.ts';
import { basket } from './basket.svelte.ts';
import { shop } from './shop.svelte.ts';

class Payment {
  tenders = $state<Tender[]>([]);
  /** What stands in the cash field. */
  typed = $state('');
  error = $state('');
  #cart: string | null = null;

  /** Starts anew for another cart; the same cart keeps its tenders while the cashier goes back and forth. */
  begin(): void {
    const id = basket.cart?.id ?? null;
    this.typed = '';
    this.error = '';
    if (id === this.#cart) return;
    this.#cart = id;
    this.tenders = [];
  }

  /** Minor units in the cash field; 0 while it is empty, `null` if it is no amount. */
  get typedMinor(): number | null {
    return this.typed.trim() === '' ? 0 : parseMoney(this.typed, shop.exponent);
  }

  get settled(): Settled {
    const total = basket.cart?.totals.total ?? 0;
    const other = this.#sum((tender) => tender.kind !== 'cash');
    const cash = this.#sum((tender) => tender.kind === 'cash') + (this.typedMinor ?? 0);
    return settle(total, other, cash, shop.boot?.cash_step ?? 1);
  }

  /** What is left to pay by other means than the cash booked and typed. */
  get rest(): number {
    const total = basket.cart?.totals.total ?? 0;
    return total - this.#sum(() => true) - (this.typedMinor ?? 0);
  }

  /** What to hand over in cash to pay exactly. */
  get exactCash(): number {
    const rest = this.rest + (this.typedMinor ?? 0);
    return Math.max(0, roundToStep(rest, shop.boot?.cash_step ?? 1));
  }

  take(tender: Tender): void {
    this.error = '';
    this.typed = '';
    this.tenders.push(tender);
  }

  drop(index: number): void {
    this.tenders.splice(index, 1);
  }

  /** Puts an amount into the cash field, as if it had been typed. */
  offer(minor: number): void {
    this.error = '';
    this.typed = (minor / 10 ** shop.exponent).toFixed(shop.exponent);
  }

  /** Books what stands in the cash field, e.g. before a card pays the rest; `false` if it is no amount. */
  bookTyped(): boolean {
    const typed = this.typedMinor;
    if (typed === null) {
      this.#refuse(settings.t.badAmount);
      return false;
    }
    if (typed > 0) this.take({ kind: 'cash', amount: typed });
    return true;
  }

  /** Pays with what was booked and typed; says what is missing if it isn't enough, and books nothing then. */
  async finish(): Promise<void> {
    const { missing } = this.settled;
    if (this.typedMinor !== null && missing > 0) return this.#refuse(settings.t.shortBy(shop.money(missing)));
    if (this.bookTyped() && (await basket.pay(this.#joined()))) this.#cart = null;
  }

  #refuse(error: string): void {
    beep('reject');
    this.error = error;
  }

  /** All cash is one tender: a customer hands over one heap. */
  #joined(): Tender[] {
    const cash = this.#sum((tender) => tender.kind === 'cash');
    const others = this.tenders.filter((tender) => tender.kind !== 'cash').map((tender) => ({ ...tender }));
    return cash > 0 ? [...others, { kind: 'cash', amount: cash }] : others;
  }

  #sum(of: (tender: Tender) => boolean): number {
    return this.tenders.filter(of).reduce((sum, tender) => sum + tender.amount, 0);
  }
}

export const payment = new Payment();
