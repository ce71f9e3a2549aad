/** Two links: this page to the node (lost or not), and the node to the hub (what `/v1/sync/status` says). */
import { Problem, Unreachable, api } from '../api/client.ts';
import { listen, type ServerEvent } from '../api/events.ts';
import type { SyncStatus } from '../api/types.ts';

/** Not the node's: told here each time its stream stands. */
export const STREAM_OPENED = 'stream.opened';

const ASK_MS = 3000;
const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 5000;

class Link {
  /** `null` until the node has said it once. */
  status = $state.raw<SyncStatus | null>(null);
  /** The node doesn't answer this page. */
  lost = $state(false);
  #back: (() => void)[] = [];
  #events: ((event: ServerEvent) => void)[] = [];
  #wake: () => void = () => {};
  #retryMs = RETRY_MS_FIRST;

  /** Runs `then` each time the node answers again after it was lost. */
  onBack(then: () => void): void {
    this.#back.push(then);
  }

  /** Runs `then` for every event the node sends. */
  onEvent(then: (event: ServerEvent) => void): void {
    this.#events.push(then);
  }

  start(): void {
    void this.#keepAsking();
    void this.#keepListening();
  }

  /** Asks now instead of at the next turn. */
  poke(): void {
    this.#retryMs = RETRY_MS_FIRST;
    this.#wake();
  }

  lose(): void {
    if (this.lost) return;
    this.lost = true;
    this.poke();
  }

  async #keepAsking(): Promise<void> {
    for (;;) {
      await this.#ask();
      await this.#pause(this.lost ? this.#retryMs : ASK_MS);
      if (this.lost) this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
    }
  }

  async #ask(): Promise<void> {
    try {
      this.status = await api.status();
    } catch (error) {
      if (error instanceof Unreachable) return this.lose();
      if (!(error instanceof Problem)) throw error;
    }
    if (!this.lost) return;
    this.lost = false;
    this.#retryMs = RETRY_MS_FIRST;
    this.#back.forEach((then) => then());
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #keepListening(): Promise<void> {
    for (;;) {
      try {
        // What changed while nobody listened is asked for.
        const opened = () => this.#tell({ name: STREAM_OPENED, data: '' });
        const offered = await listen((event) => this.#tell(event), new AbortController().signal, opened);
        if (!offered) return;
      } catch {
        // The stream broke; asking tells whether the node is gone.
      }
      this.poke();
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }

  #tell(event: ServerEvent): void {
    if (event.name === 'sync.state') this.poke();
    this.#events.forEach((then) => then(event));
  }
}

export const link = new Link();
