/** What the pages of the console share: who is let in, which page is shown, and what was asked of the hub. */
import { Problem, Unreachable, credentials } from '../api/client.ts';
import { LOCALES, money, number } from '../core/money.ts';
import { age } from '../core/time.ts';
import { settings } from '../ui/settings.svelte.ts';
import { token } from './api.ts';
import { words } from './words.ts';

export const PAGES = ['stores', 'orders', 'shifts', 'stored', 'rollout', 'stock', 'review', 'aside', 'recovery', 'restored', 'reports', 'days', 'consumers', 'webhooks', 'audit'] as const;
export type PageName = (typeof PAGES)[number];

class Desk {
  /** A token is there; whether it is the right one the hub says. */
  open = $state(false);
  page = $state<PageName>('stores');
  /** Of one store only; empty for all. */
  store = $state('');
  /** The token was refused. */
  refused = $state(false);

  start(): () => void {
    token.restore();
    this.open = credentials.token !== null;
    const read = () => {
      const [, page, store] = /^#\/([a-z]+)(?:\/(.*))?$/.exec(location.hash) ?? [];
      this.page = PAGES.find((one) => one === page) ?? 'stores';
      this.store = decodeURIComponent(store ?? '');
    };
    read();
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }

  enter(text: string): void {
    token.set(text.trim());
    this.refused = false;
    this.open = true;
  }

  leave(refused = false): void {
    token.set(null);
    this.refused = refused;
    this.open = false;
  }
}

export const desk = new Desk();

export const address = (page: PageName, store = '') => `#/${page}${store ? `/${encodeURIComponent(store)}` : ''}`;

/** What went wrong, in a sentence; the hub's own sentences name the numbers. */
export function trouble(error: unknown): string {
  if (error instanceof Problem) {
    if (error.code === 'UNAUTHORIZED') desk.leave(true);
    return `${error.body.detail || error.body.title} (${error.code})`;
  }
  return error instanceof Unreachable ? words().lost : words().failed;
}

/** Something of the hub's that a page shows: not there yet, there, or why not. */
export class Asked<Value> {
  value = $state.raw<Value | null>(null);
  trouble = $state('');
  /** When it was told, to say how old it is. */
  at = $state(0);
  #asked = 0;

  constructor(private readonly ask: () => Promise<Value>) {}

  /** An older answer never hides a newer one. */
  async load(): Promise<void> {
    const asked = ++this.#asked;
    try {
      const value = await this.ask();
      if (asked !== this.#asked) return;
      this.value = value;
      this.at = Date.now();
      this.trouble = '';
    } catch (error) {
      if (asked === this.#asked) this.trouble = trouble(error);
    }
  }
}

/** Minor units in a currency; how many decimals it has the browser knows. */
export function amount(minor: number, currency: string): string {
  const exponent = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  return money(minor, { currency, exponent }, settings.lang);
}

export function when(rfc3339: string | null): string {
  if (!rfc3339) return '–';
  return new Intl.DateTimeFormat(LOCALES[settings.lang], { dateStyle: 'short', timeStyle: 'short' }).format(new Date(rfc3339));
}

export function dayOf(day: string): string {
  return new Intl.DateTimeFormat(LOCALES[settings.lang], { dateStyle: 'short', timeZone: 'UTC' }).format(new Date(`${day}T12:00:00Z`));
}

/** A count, with its thousands told apart. */
export const count = (n: number): string => number(n, 0, settings.lang);

/** How long, in words. */
export function span(ms: number): string {
  const [value, unit] = age(Math.max(0, ms));
  return new Intl.NumberFormat(LOCALES[settings.lang], { style: 'unit', unit, unitDisplay: 'long' }).format(value);
}

export const ago = (rfc3339: string | null, now: number) => (rfc3339 ? words().ago(span(now - Date.parse(rfc3339))) : words().never);

/** A node that wasn't heard for so long is told as silent. */
export const SILENT_MS = 10 * 60_000;
