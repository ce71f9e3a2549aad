/**
 * How the open cart is being paid. Cash is typed here and told with the checkout; everything else is a row of the
 * node's, made before any money moves, so that a browser that dies in between takes nothing twice and loses nothing.
 * The node settles; what is reckoned here is only shown.
 */
import { Problem, Unreachable } from '../api/client.ts';
import { isOpen, isTaken, tenders as rows, type NewTender, type PaymentState, type TenderRow } from '../api/tenders.ts';
import type { Tender } from '../api/types.ts';
import { parseMoney, roundToStep } from '../core/money.ts';
import { settle, type Settled } from '../core/settle.ts';
import { uuid7 } from '../core/uuid7.ts';
import { settings } from '../ui/settings.svelte.ts';
import { beep } from '../ui/sound.ts';
import { allowed } from './allow.ts';
import { basket } from './basket.svelte.ts';
import { report } from './report.ts';
import { shop } from './shop.svelte.ts';

/** News of a cart come in bunches; one look answers them all. */
const REFRESH_MS = 400;

class Payment {
  /** What is told with the checkout: cash, and cards of a terminal of its own. */
  tenders = $state<Tender[]>([]);
  /** What the node holds. */
  rows = $state.raw<TenderRow[]>([]);
  /** What stands in the cash field. */
  typed = $state('');
  error = $state('');
  /** A terminal hangs on this till: cards are asked for there. */
  terminal = $state(false);
  /** The terminal is being asked. */
  asking = $state(false);
  #cart: string | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;

  /** Starts anew for another cart; the same cart keeps its tenders while the cashier goes back and forth. */
  begin(): void {
    const id = basket.cart?.id ?? null;
    this.typed = '';
    this.error = '';
    void this.#lookAround();
    if (id === this.#cart) return;
    this.#cart = id;
    this.tenders = [];
    this.rows = [];
  }

  /** What of this cart was paid before, here or in another browser, and whether there is a terminal. */
  async #lookAround(): Promise<void> {
    const cart = basket.cart?.id;
    if (!cart) return;
    const quiet = (error: unknown) => {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      return null;
    };
    const [state, terminal] = await Promise.all([rows.of(cart).catch(quiet), rows.terminal(shop.till).catch(quiet)]);
    if (basket.cart?.id !== cart) return;
    if (state) this.rows = state.tenders;
    this.terminal = terminal !== null;
  }

  /** Reads the rows again, e.g. when another browser took a payment for this cart. */
  refresh(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      if (this.#cart && !this.asking) void this.#lookAround();
    }, REFRESH_MS);
  }

  /** Minor units in the cash field; 0 while it is empty, `null` if it is no amount. */
  get typedMinor(): number | null {
    return this.typed.trim() === '' ? 0 : parseMoney(this.typed, shop.exponent);
  }

  /** Rows that count or still may; what was declined or taken back is only told. */
  get live(): TenderRow[] {
    return this.rows.filter((row) => isTaken(row.state) || isOpen(row.state));
  }

  /** A row nobody knows the end of: the sale waits for it. */
  get open(): boolean {
    return this.rows.some((row) => isOpen(row.state));
  }

  get settled(): Settled {
    const other = this.#sum((tender) => tender.kind !== 'cash') + this.#held;
    const cash = this.#sum((tender) => tender.kind === 'cash') + (this.typedMinor ?? 0);
    return settle(this.#total, other, cash, shop.boot?.cash_step ?? 1);
  }

  /** What is left to pay by other means than the cash booked and typed. */
  get rest(): number {
    return this.#total - this.#sum(() => true) - this.#held - (this.typedMinor ?? 0);
  }

  /** What to hand over in cash to pay exactly. */
  get exactCash(): number {
    const rest = this.rest + (this.typedMinor ?? 0);
    return Math.max(0, roundToStep(rest, shop.boot?.cash_step ?? 1));
  }

  get #total(): number {
    return basket.cart?.totals.total ?? 0;
  }

  get #held(): number {
    return this.rows.filter((row) => isTaken(row.state)).reduce((sum, row) => sum + row.amount, 0);
  }

  take(tender: Tender): void {
    this.error = '';
    this.typed = '';
    this.tenders.push(tender);
  }

  drop(index: number): void {
    this.tenders.splice(index, 1);
  }

  // --- rows of the node's --------------------------------------------------------------------------------------

  /** Asks for money in any way but cash; `false` where it was refused (the cashier has been told). */
  ask(tender: Omit<NewTender, 'id' | 'till'>): Promise<boolean> {
    const id = uuid7();
    const what = { id, till: shop.till, expected_total: this.#total, ...tender };
    return this.#step((cart) => allowed((approval) => rows.take(cart, { ...what, approval })));
  }

  /** Asks the terminal what became of it. */
  inquire(row: TenderRow): Promise<boolean> {
    return this.#step((cart) => rows.inquire(cart, row.id));
  }

  /** The cashier saw that the money came. */
  seen(row: TenderRow): Promise<boolean> {
    return this.#step((cart) => rows.seen(cart, row.id));
  }

  undo(row: TenderRow): Promise<boolean> {
    return this.#step((cart) => rows.undo(cart, row.id));
  }

  async #step(call: (cart: string) => Promise<PaymentState | null>): Promise<boolean> {
    const cart = basket.cart?.id;
    if (!cart || this.asking) return false;
    this.asking = true;
    this.error = '';
    try {
      const state = await call(cart);
      if (!state) return false;
      this.rows = state.tenders;
      const last = this.rows.at(-1);
      if (last?.state === 'declined') this.#refuse(settings.t.declined(last.said ?? ''));
      return true;
    } catch (error) {
      report(error);
      return false;
    } finally {
      this.asking = false;
      await this.#lookAround();
    }
  }

  // --- cash ----------------------------------------------------------------------------------------------------

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
    if (this.open) return this.#refuse(settings.t.tenderOpen);
    const { missing } = this.settled;
    if (this.typedMinor !== null && missing > 0) return this.#refuse(settings.t.shortBy(shop.money(missing)));
    if (!this.bookTyped() || !(await basket.pay(this.#joined()))) return;
    this.#cart = null;
    this.rows = [];
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
