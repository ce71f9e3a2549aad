/** Questions to the cashier: one dialog at a time, answered by a promise. */
import type { Product } from '../api/types.ts';

export type Ask =
  | { kind: 'weight'; product: Product }
  | { kind: 'age'; name: string; years: number }
  | { kind: 'quantity'; line: string }
  | { kind: 'discount'; line: string | null }
  | { kind: 'card'; rest: number; terminal?: boolean }
  | { kind: 'giftcard' }
  | { kind: 'parked' }
  | { kind: 'approve'; why: string; staff: string }
  | { kind: 'price'; line: string }
  | { kind: 'serials'; line: string }
  | { kind: 'exempt' }
  | { kind: 'tender'; way: string; rest: number }
  | { kind: 'menu' }
  | { kind: 'keys' };

class Asks {
  now = $state.raw<Ask | null>(null);
  #answer: (value: unknown) => void = () => {};

  /** Shows a dialog; resolves to its answer, or `null` when it is closed. An open one is closed first. */
  ask<Answer>(question: Ask): Promise<Answer | null> {
    this.answer(null);
    this.now = question;
    return new Promise((resolve) => {
      this.#answer = (value) => resolve(value as Answer | null);
    });
  }

  answer(value: unknown): void {
    const answer = this.#answer;
    this.#answer = () => {};
    this.now = null;
    answer(value);
  }
}

export const asks = new Asks();
