/** Looks through the stock of the stores, page by page, for what was promised or sold beyond what is there. */
import type { Item, Page } from './api.ts';

/** So many pages are looked through at once; then a person is asked whether to go on. */
export const LOOK_PAGES = 20;
/** So many finds fill a screen: looking on waits until it is asked for. */
export const LOOK_ROWS = 100;

const exposed = (item: Item) => item.exposure > 0 || item.overdraw > 0 || item.suspended > 0 || item.on_hand < 0;

export interface Looked extends Page<Item> {
  /** Items that were looked at. */
  seen: number;
}

/** The next finds from `cursor` on. Where it ends short of the stock's end it says where to go on. */
export async function look(ask: (cursor?: string) => Promise<Page<Item>>, cursor?: string): Promise<Looked> {
  const data: Item[] = [];
  let seen = 0;
  let next: string | null = cursor ?? null;
  for (let pages = 0; pages < LOOK_PAGES; pages++) {
    const page: Page<Item> = await ask(next ?? undefined);
    seen += page.data.length;
    data.push(...page.data.filter(exposed));
    next = page.next_cursor;
    if (!next || data.length >= LOOK_ROWS) break;
  }
  return { data, seen, next_cursor: next, has_more: next !== null };
}

/** The worst first. */
export const worst = (rows: Item[]) => [...rows].sort((a, b) => b.exposure - a.exposure || b.overdraw - a.overdraw);
