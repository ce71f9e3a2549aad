/** Something of the node's that a screen shows: not there yet, there, or why not. */
import { Problem, Unreachable } from '../api/client.ts';
import { settings } from '../ui/settings.svelte.ts';
import { link } from './link.svelte.ts';
import { sentence } from './report.ts';

export class Feed<Value> {
  value = $state.raw<Value | null>(null);
  /** What went wrong, in a sentence; empty while nothing did. */
  trouble = $state('');
  /** Its code, for support and for screens that know it. */
  code = $state('');
  #asked = 0;

  constructor(private readonly ask: () => Promise<Value>) {}

  /** Asks the node; an older answer never hides a newer one. */
  async load(): Promise<void> {
    const asked = ++this.#asked;
    try {
      const value = await this.ask();
      if (asked !== this.#asked) return;
      this.value = value;
      this.trouble = this.code = '';
    } catch (error) {
      if (asked === this.#asked) this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (error instanceof Unreachable) link.lose();
    this.code = error instanceof Problem ? error.code : '';
    this.trouble = error instanceof Problem ? sentence(error) : error instanceof Unreachable ? settings.t.lostTitle : settings.t.failed;
  }
}
