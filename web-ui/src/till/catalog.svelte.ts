/** What the product side shows: all products, or those that match the search. */
import { api } from '../api/client.ts';
import type { Product } from '../api/types.ts';
import { report } from './report.ts';

const PAGE = 40;
/** Typing pauses shorter than this make one question to the node. */
const PAUSE_MS = 60;

class Catalog {
  text = $state('');
  found = $state.raw<Product[]>([]);
  /** Which of `found` Enter adds. */
  marked = $state(0);
  more = $state<string | null>(null);
  loaded = $state(false);
  /** What `found` answers. */
  #answered: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** To be called whenever the text changes. */
  type(text: string): void {
    this.text = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.load(), PAUSE_MS);
  }

  clear(): void {
    this.text = '';
    clearTimeout(this.#timer);
    void this.load();
  }

  async load(): Promise<void> {
    const asked = this.text.trim();
    try {
      const page = await api.search(asked, PAGE);
      if (asked !== this.text.trim()) return;
      this.found = page.data;
      this.more = page.has_more ? page.next_cursor : null;
      if (asked !== this.#answered) this.marked = 0;
      this.#answered = asked;
      this.loaded = true;
    } catch (error) {
      report(error);
    }
  }

  async loadMore(): Promise<void> {
    if (!this.more) return;
    const asked = this.#answered;
    try {
      const page = await api.search(asked ?? '', PAGE, this.more);
      if (asked !== this.#answered) return;
      this.found = [...this.found, ...page.data];
      this.more = page.has_more ? page.next_cursor : null;
    } catch (error) {
      report(error);
    }
  }

  /** The product Enter means now, asking the node first if its answer is still on the way. */
  async chosen(): Promise<Product | undefined> {
    if (this.text.trim() !== this.#answered) {
      clearTimeout(this.#timer);
      await this.load();
    }
    return this.found[this.marked];
  }

  move(by: number): void {
    this.marked = Math.max(0, Math.min(this.found.length - 1, this.marked + by));
  }
}

export const catalog = new Catalog();
