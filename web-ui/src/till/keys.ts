/** Every key press of the page: first the scanner, then the function keys, then typing that goes to the search. */
import { ScanListener } from '../core/scan.ts';
import { settings } from '../ui/settings.svelte.ts';
import { beep } from '../ui/sound.ts';
import { toasts } from '../ui/toasts.svelte.ts';
import { addCode, addProduct } from './adding.ts';
import { asks } from './asks.svelte.ts';
import { basket } from './basket.svelte.ts';
import { catalog } from './catalog.svelte.ts';
import { link } from './link.svelte.ts';
import { payment } from './payment.svelte.ts';
import { rooms } from './rooms.svelte.ts';
import { who } from './who.svelte.ts';

export const SEARCH_ID = 'search';

const scanner = new ScanListener();
/** The field a burst began in and what it held, to take the scanner's characters out again. */
let began: { field: HTMLInputElement; value: string } | null = null;

export function listenToKeys(): () => void {
  document.addEventListener('keydown', onKey, { capture: true });
  return () => document.removeEventListener('keydown', onKey, { capture: true });
}

export function focusSearch(): void {
  const field = document.getElementById(SEARCH_ID) as HTMLInputElement | null;
  field?.focus();
  field?.select();
}

/** Whether the counter is what the user sees; in a room, and while nobody is signed on, its keys mean nothing. */
function atCounter(): boolean {
  return rooms.now === 'sell' && !who.locked;
}

export function startPaying(): void {
  if (link.lost || !basket.lines.length || basket.sale) return;
  // Without its numbers the node would refuse the sale behind the money.
  const line = basket.unnumbered;
  if (line) return void asks.ask({ kind: 'serials', line: line.line });
  payment.begin();
  basket.paying = true;
}

/** Leaves the finished sale behind. */
export function newSale(): void {
  basket.forget();
  catalog.clear();
}

function onKey(event: KeyboardEvent): void {
  // A PIN is nobody's barcode, however fast it is typed.
  if (event.target instanceof HTMLElement && (event.target.dataset.pin || event.target.dataset.raw)) return;
  const heard = scanner.hear({ code: event.code, key: event.key, shift: event.shiftKey, at: event.timeStamp });
  if (heard.kind === 'scan') {
    event.preventDefault();
    event.stopPropagation();
    takeOut();
    return scanned(heard.code);
  }
  if (!event.repeat && hotkey(event)) {
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  typeAnywhere(event);
  if (heard.kind === 'burst' && heard.length === 1) remember();
}

/** A scan works from anywhere, except while a payment is being taken; in a room it means what the room says. */
export function scanned(code: string): void {
  if (!atCounter()) return rooms.onScan && !who.locked ? rooms.onScan(code) : refuse(settings.t.scanNowhere);
  if (basket.view !== 'pay') return void addCode(code);
  refuse(settings.t.payScan);
}

function refuse(text: string): void {
  beep('reject');
  toasts.show({ kind: 'error', text });
}

function remember(): void {
  const field = document.activeElement;
  began = field instanceof HTMLInputElement ? { field, value: field.value } : null;
}

function takeOut(): void {
  if (!began) return;
  began.field.value = began.value;
  began.field.dispatchEvent(new Event('input', { bubbles: true }));
  began = null;
}

// --- function keys -------------------------------------------------------------------------------------------

function hotkey(event: KeyboardEvent): boolean {
  if (asks.now) return false;
  const act = functionKey(event) ?? (isEditing(event) ? undefined : plainKey(event));
  act?.();
  return act !== undefined;
}

function functionKey(event: KeyboardEvent): (() => void) | undefined {
  if (!event.ctrlKey && !event.altKey && event.key === 'F1') return () => void asks.ask({ kind: 'menu' });
  if (who.locked) return undefined;
  if (rooms.now !== 'sell') return event.key === 'Escape' ? () => rooms.enter('sell') : undefined;
  const selling = basket.view === 'sell';
  if (event.altKey && /^Digit[1-9]$/.test(event.code)) return selling ? () => tile(Number(event.code[5]) - 1) : undefined;
  if (event.ctrlKey && event.key === 'Enter') return payKey;
  if (event.ctrlKey || event.altKey || event.metaKey) return undefined;
  switch (event.key) {
    case 'F2': return selling ? focusSearch : nothing;
    case 'F3': return selling ? () => rooms.enter('customers') : nothing;
    case 'F7': return selling ? () => rooms.enter('orders') : nothing;
    case 'F4': return event.shiftKey ? parkedList : selling ? () => void basket.park() : nothing;
    case 'F6': return selling ? () => discount(true) : nothing;
    case 'F8': return selling ? () => discount(false) : nothing;
    case 'F9': return payKey;
    case 'F10': return exactKey;
    case 'Escape': return back;
    default: return undefined;
  }
}

function plainKey(event: KeyboardEvent): (() => void) | undefined {
  if (event.ctrlKey || event.altKey || event.metaKey) return undefined;
  if (event.key === '?') return () => void asks.ask({ kind: 'keys' });
  if (!atCounter()) return undefined;
  if (event.key === 'Enter' && basket.view === 'done' && !onButton(event)) return newSale;
  if (event.key === 'Enter' && basket.view === 'pay' && !onButton(event)) return () => void payment.finish();
  if (basket.view !== 'sell') return undefined;
  switch (event.key) {
    case '/': return focusSearch;
    case '*': return () => basket.line && void asks.ask({ kind: 'quantity', line: basket.line.line });
    case 'Delete': return () => basket.line && void basket.remove(basket.line);
    default: return undefined;
  }
}

const nothing = () => {};

function tile(index: number): void {
  const product = catalog.found[index];
  if (product) void addProduct(product);
}

function payKey(): void {
  if (basket.view === 'sell') startPaying();
  else if (basket.view === 'pay') void payment.finish();
}

/** Cash, exact: from the basket or from the payment. */
function exactKey(): void {
  if (basket.view === 'sell') startPaying();
  if (basket.view !== 'pay') return;
  payment.typed = '';
  payment.offer(payment.exactCash);
  void payment.finish();
}

function discount(ofLine: boolean): void {
  if (!basket.lines.length || (ofLine && !basket.line)) return;
  void asks.ask({ kind: 'discount', line: ofLine ? basket.line!.line : null });
}

function parkedList(): void {
  void asks.ask({ kind: 'parked' });
}

function back(): void {
  if (basket.view === 'pay') basket.paying = false;
  else if (basket.view === 'done') newSale();
  else if (catalog.text) catalog.clear();
}

// --- typing --------------------------------------------------------------------------------------------------

/** An empty field may give its special keys away; a filled one keeps them. */
function isEditing(event: KeyboardEvent): boolean {
  const field = event.target;
  if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement)) return false;
  return !(field.id === SEARCH_ID && field.value === '');
}

function onButton(event: KeyboardEvent): boolean {
  return event.target instanceof HTMLElement && event.target.closest('button, a') !== null;
}

/** Letters and digits typed nowhere go to the search, digits while paying to the amount. */
function typeAnywhere(event: KeyboardEvent): void {
  if (asks.now || !atCounter() || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
  if (event.key.length !== 1 || event.key === ' ') return;
  if (basket.view === 'sell') document.getElementById(SEARCH_ID)?.focus();
  if (basket.view === 'pay') document.getElementById('cash')?.focus();
}
