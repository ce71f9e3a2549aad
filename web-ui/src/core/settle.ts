/** How a payment stands, by `money.md` rule 10: only the cash part is rounded. For showing; the node decides. */
import { roundToStep } from './money.ts';

export interface Settled {
  /** What is still to pay; 0 when it is enough. */
  missing: number;
  /** To give back in cash. */
  change: number;
  /** The cash part after rounding; 0 where other means pay it all. */
  cashDue: number;
}

/** `other` is what cards and the like paid, `cash` what was handed over. */
export function settle(total: number, other: number, cash: number, step: number): Settled {
  const rest = total - other;
  const cashDue = roundToStep(rest, step);
  // Exact coins may pay the unrounded rest, and a rest that rounds to nothing needs no cash.
  const needed = Math.min(rest, cashDue);
  if (cash < needed) return { missing: cashDue - cash, change: 0, cashDue };
  if (cash === 0) return { missing: 0, change: Math.max(0, -cashDue), cashDue: 0 };
  const change = cash % step === 0 ? cash - cashDue : roundToStep(cash - rest, step);
  return { missing: 0, change: Math.max(0, change), cashDue };
}
