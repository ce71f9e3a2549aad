/** Who is signed on at this till and how its shift stands, as the node says. */
import { Problem } from '../api/client.ts';
import { day, type TillState } from '../api/day.ts';
import { link } from './link.svelte.ts';
import { shop } from './shop.svelte.ts';

/** Another browser may sign somebody off: asked again now and then. */
const ASK_MS = 15_000;
/** Problems that say: this page's picture of the till is old. */
const STALE = ['SIGN_ON_REQUIRED', 'SHIFT_REQUIRED', 'SHIFT_CLOSING', 'NO_SHIFT', 'SHIFT_OPEN'];

class Who {
  /** `null` until the node has said it, and where it knows no staff and no shifts. */
  till = $state.raw<TillState | null>(null);
  /** The till practises: what it makes is no sale. */
  training = $state(false);

  /** Somebody has to sign on before anything is sold. */
  get locked(): boolean {
    return this.till !== null && this.till.staffed && this.till.signed_on === null;
  }

  get name(): string {
    return this.till?.signed_on?.name ?? '';
  }

  async load(): Promise<void> {
    if (!shop.till) return;
    try {
      this.till = await day.till(shop.till);
      this.training = await day.training(shop.till);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** Asks now and then, for as long as the page lives. */
  start(): void {
    setInterval(() => {
      if (!link.lost) this.load().catch(() => {});
    }, ASK_MS);
  }

  /** A refusal that may mean that the till's state changed. */
  heard(error: unknown): void {
    if (error instanceof Problem && STALE.includes(error.code)) this.load().catch(() => {});
  }
}

export const who = new Who();
