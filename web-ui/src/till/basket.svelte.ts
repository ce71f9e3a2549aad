/**
 * The open cart. It lives in the node; this page holds its id, what the node last said of it, and which line is
 * marked. Every change is one write to the node, one after the other, so that quick scans keep their order.
 */
import { Problem, api } from '../api/client.ts';
import type { AgeCheck, Cart, CartLine, Discount, Exemption, NewLine, Sale, Tender } from '../api/types.ts';
import { uuid7 } from '../core/uuid7.ts';
import { remember, remembered, settings } from '../ui/settings.svelte.ts';
import { beep } from '../ui/sound.ts';
import { toasts } from '../ui/toasts.svelte.ts';
import { cartInAddress, showCart } from './address.ts';
import { link } from './link.svelte.ts';
import { report } from './report.ts';
import { allowed } from './allow.ts';
import { who } from './who.svelte.ts';
import { shop } from './shop.svelte.ts';

/** Problems that say: what this page shows of the cart is not what the node holds. */
const STALE = ['CART_CLOSED', 'NOT_FOUND', 'NO_SUCH_LINE', 'TOTAL_CHANGED', 'NOT_CUSTODIAN', 'NOT_OWNER'];

class Basket {
  cart = $state.raw<Cart | null>(null);
  /** The sale that came of the cart, once it is paid. */
  sale = $state.raw<Sale | null>(null);
  selected = $state<string | null>(null);
  paying = $state(false);
  parked = $state.raw<Cart[]>([]);
  /** The highest age this customer was asked for: one question a cart is enough. */
  ageCheck: AgeCheck | null = null;
  /** How many writes are on their way. */
  busy = $state(0);
  #last: Promise<unknown> = Promise.resolve();

  get view(): 'sell' | 'pay' | 'done' {
    if (this.sale) return 'done';
    return this.paying && this.lines.length > 0 ? 'pay' : 'sell';
  }

  get lines(): CartLine[] {
    return this.cart?.lines ?? [];
  }

  get line(): CartLine | undefined {
    return this.lines.find((line) => line.line === this.selected);
  }

  /** Runs `work` after everything before it; `false` if it failed (the cashier has been told). */
  run(work: () => Promise<void>): Promise<boolean> {
    const done = this.#last.then(() => this.#guarded(work));
    this.#last = done;
    return done;
  }

  async #guarded(work: () => Promise<void>): Promise<boolean> {
    if (link.lost) {
      beep('reject');
      return false;
    }
    this.busy++;
    try {
      await work();
      return true;
    } catch (error) {
      report(error);
      who.heard(error);
      if (error instanceof Problem && STALE.includes(error.code)) await this.reload();
      return false;
    } finally {
      this.busy--;
    }
  }

  // --- adding and changing -------------------------------------------------------------------------------------

  /** Adds an item; to be called inside `run`. */
  async put(item: NewLine): Promise<void> {
    const cart = await this.#open();
    this.#take(await api.addLine(cart, item));
    beep('accept');
    toasts.clearErrors();
  }

  /** Counts a line one up; to be called inside `run`. */
  async oneMore(line: CartLine): Promise<void> {
    if (!this.cart) return;
    this.#take(await api.setQuantity(this.cart.id, line.line, line.quantity_milli + 1000));
    beep('accept');
    toasts.clearErrors();
  }

  setQuantity(line: string, milli: number): Promise<boolean> {
    return this.#change((cart) => api.setQuantity(cart, line, milli));
  }

  discount(line: string | null, discount: Discount): Promise<boolean> {
    return this.#change((cart) => allowed((approval) => {
      const given = approval ? { ...discount, approval } : discount;
      return line ? api.discountLine(cart, line, given) : api.discountCart(cart, given);
    }));
  }

  clearDiscounts(line: string | null): Promise<boolean> {
    return this.#change((cart) => (line ? api.clearLineDiscounts(cart, line) : api.clearCartDiscounts(cart)));
  }

  /** Another price, by hand and with its reason. */
  price(line: string, unit_price: number, reason: string): Promise<boolean> {
    return this.#change((cart) => allowed((approval) => api.setPrice(cart, line, { unit_price, reason, approval })));
  }

  serials(line: string, serials: string[]): Promise<boolean> {
    return this.#change((cart) => api.setSerials(cart, line, serials));
  }

  /** Sells it without tax, or with it again. */
  exempt(exemption: Exemption | null): Promise<boolean> {
    return this.run(async () => {
      const cart = await this.#open();
      this.#take(await (exemption ? api.exempt(cart, exemption) : api.unexempt(cart)));
    });
  }

  /** A line that lacks serial numbers. */
  get unnumbered(): CartLine | undefined {
    return this.lines.find((line) => line.serialised && line.serials.length * 1000 !== line.quantity_milli);
  }

  /** Whose basket it is; a basket that isn't open yet is opened for them. */
  serve(customer: string | null): Promise<boolean> {
    return this.run(async () => {
      const cart = await this.#open();
      this.#take(await api.setCustomer(cart, customer));
    });
  }

  async remove(line: CartLine): Promise<void> {
    const removed = await this.#change((cart) => api.removeLine(cart, line.line));
    if (!removed) return;
    this.#offerUndo(settings.t.removed(line.name), [line]);
  }

  /** Gives the sale up; undo puts the same lines into a new cart. */
  async cancel(): Promise<void> {
    const { lines, ageCheck } = this;
    const gone = await this.#change((cart) => api.voidCart(cart));
    if (!gone) return;
    this.forget();
    this.ageCheck = ageCheck;
    this.#offerUndo(settings.t.voided, lines);
  }

  /** Its goods went out in another way: the cart is given up without a word. */
  async gone(): Promise<void> {
    if (await this.#change((cart) => api.voidCart(cart))) this.forget();
  }

  /** Undo rings the same lines up again; a price label can't be, it is scanned again. */
  #offerUndo(text: string, lines: CartLine[]): void {
    const again = () => lines.forEach((line) => void this.run(() => this.put(this.again(line))));
    const can = lines.length > 0 && lines.every(isPriced);
    toasts.show({ kind: 'info', text, ...(can ? { action: { label: settings.t.undo, run: again } } : {}) });
  }

  /** What rings the same line up again. */
  again(line: CartLine): NewLine {
    const item: NewLine = { sku: line.sku, quantity_milli: line.quantity_milli, discounts: line.discounts };
    if (line.serials.length) item.serials = line.serials;
    if (line.note !== null) Object.assign(item, { unit_price: line.unit_price, price_reason: line.note });
    // The line stood in a cart of the node's, so its check was made; how, only this page's own question says.
    if (line.min_age !== null) item.age_check = { method: this.ageCheck?.method ?? 'sight', min_age: line.min_age };
    return item;
  }

  #change(call: (cart: string) => Promise<Cart | null>): Promise<boolean> {
    return this.run(async () => {
      if (!this.cart) return;
      const cart = await call(this.cart.id);
      if (cart) this.#take(cart);
    });
  }

  // --- paying --------------------------------------------------------------------------------------------------

  /** Pays the cart. Safe to repeat: the node answers a paid cart with the same sale. */
  async pay(tenders: Tender[]): Promise<boolean> {
    let sale: Sale | null = null;
    const done = await this.run(async () => {
      const cart = this.cart;
      if (!cart) return;
      const what = { till: shop.till, tenders, expected_total: cart.totals.total };
      sale = await allowed((approval) => api.checkout(cart.id, { ...what, approval }));
      if (sale) this.#finish(sale);
    });
    return done && sale !== null;
  }

  #finish(sale: Sale): void {
    this.sale = sale;
    this.paying = false;
    beep('accept');
    toasts.clearErrors();
    link.poke();
  }

  // --- which cart ----------------------------------------------------------------------------------------------

  /** Finds the cart this page was on: by its address, else by what the browser remembers. */
  async restore(): Promise<void> {
    const id = cartInAddress() ?? remembered('cart');
    if (id) await this.#load(id);
    await this.countParked();
  }

  /** Asks the node anew: after the link was lost, or when another till changed the cart. */
  async reload(): Promise<void> {
    const id = this.cart?.id ?? cartInAddress();
    if (!id) return;
    try {
      await this.#load(id);
    } catch (error) {
      report(error);
    }
  }

  /**
   * Another browser may have changed this cart: `data` is what the node told of a cart, `null` that something may have
   * been missed. It waits for this page's own writes, which bring newer versions themselves.
   */
  async hear(data: string | null): Promise<void> {
    const told = data === null ? null : (JSON.parse(data) as { id: string; version?: number; state?: string });
    if (link.lost || !this.cart || this.sale || (told && told.id !== this.cart.id)) return;
    // A word without a version is of the payment: only another state of the cart is news to the basket.
    if (told && told.version === undefined && told.state === this.cart.state) return;
    const { id } = this.cart;
    await this.run(async () => {
      if (this.cart?.id !== id || this.sale || (told?.version ?? Infinity) <= this.cart.version) return;
      await this.#load(id);
    });
  }

  async #load(id: string): Promise<void> {
    const cart = await api.cart(id).catch((error: unknown) => {
      if (error instanceof Problem) return null;
      throw error;
    });
    if (cart?.state === 'paid' && cart.sale_id) {
      this.cart = cart;
      if (this.sale?.id !== cart.sale_id) this.#finish(await api.sale(cart.sale_id));
      return;
    }
    if (cart?.state !== 'open' && cart?.state !== 'tendering') return this.forget();
    this.#take(cart);
    this.#keep(cart.id);
  }

  /** Starts with an empty basket; the cart itself is made at the first line. */
  forget(): void {
    this.cart = null;
    this.sale = null;
    this.selected = null;
    this.paying = false;
    this.ageCheck = null;
    remember('cart', null);
    showCart(null);
  }

  async park(): Promise<boolean> {
    if (!this.lines.length) return true;
    const parked = await this.#change((cart) => api.park(cart));
    if (!parked) return false;
    this.forget();
    await this.countParked();
    return true;
  }

  /** Goes on with a parked cart; what is in hand is parked in its place. */
  async resume(cart: Cart): Promise<void> {
    if (!(await this.park())) return;
    const resumed = await this.run(async () => {
      const open = await api.resume(cart.id);
      this.forget();
      this.#keep(open.id);
      this.#take(open);
    });
    if (resumed) await this.countParked();
  }

  /** Another computer of the store holds this cart: only there it is paid. */
  get elsewhere(): string | null {
    const owner = this.cart?.owner ?? null;
    return owner && !owner.here ? owner.name : null;
  }

  /** Asks the holder to hand the cart over. */
  takeOver(): Promise<boolean> {
    return this.#change((cart) => api.take(cart));
  }

  /** Goes on with a copy where the holder can't be asked; paid twice, both are told. */
  copy(): Promise<boolean> {
    return this.run(async () => {
      if (!this.cart) return;
      const copy = await api.clone(this.cart.id, uuid7(), shop.till);
      this.forget();
      this.#keep(copy.id);
      this.#take(copy);
    });
  }

  async countParked(): Promise<void> {
    try {
      this.parked = await api.carts('parked');
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** The id of an open cart in the node; makes one if there is none. */
  async #open(): Promise<string> {
    if (this.sale) this.forget();
    if (this.cart) return this.cart.id;
    const id = uuid7();
    this.cart = await api.openCart(id, shop.till);
    this.#keep(id);
    return id;
  }

  #keep(id: string): void {
    remember('cart', id);
    showCart(id);
  }

  /** Believes the node's newest word on the cart, and marks the line that is new. */
  #take(cart: Cart): void {
    if (this.cart && this.cart.id === cart.id && cart.version < this.cart.version) return;
    const before = new Map(this.lines.map((line) => [line.line, line.quantity_milli]));
    const touched = cart.lines.findLast((line) => before.get(line.line) !== line.quantity_milli);
    this.cart = cart;
    if (touched) this.selected = touched.line;
    else if (!this.line) this.selected = cart.lines.at(-1)?.line ?? null;
  }
}

/** Whether its amount is price × quantity, and not what a label said. */
function isPriced(line: CartLine): boolean {
  return Math.abs(line.unit_price * line.quantity_milli - line.base * 1000) <= 500;
}

export const basket = new Basket();
