/** Acts that may need somebody who is allowed to: the PIN is asked in place, and nothing on the screen is lost. */
import { Problem } from '../api/client.ts';
import type { Approval } from '../api/day.ts';
import { asks } from './asks.svelte.ts';
import { report, sentence } from './report.ts';
import { who } from './who.svelte.ts';

const ASKS = ['APPROVAL_REQUIRED', 'DIFFERENCE_NEEDS_APPROVAL', 'BAD_PIN', 'PIN_LOCKED', 'UNKNOWN_STAFF'];

/**
 * Runs `act`; where the node wants an approval, asks for it and runs it again. `null` where nobody gave one.
 * What else goes wrong is thrown.
 */
export async function allowed<Answer>(act: (approval?: Approval) => Promise<Answer>): Promise<Answer | null> {
  let approval: Approval | undefined;
  for (;;) {
    try {
      return await act(approval);
    } catch (error) {
      if (!(error instanceof Problem) || !ASKS.includes(error.code)) throw error;
      const given: Approval | null = await asks.ask({ kind: 'approve', why: why(error), staff: approval?.staff ?? '' });
      if (!given) return null;
      approval = given;
    }
  }
}

/** The node's own words name the act and the role; ours say what was wrong with the PIN. */
function why(problem: Problem): string {
  return problem.code === 'APPROVAL_REQUIRED' ? problem.body.detail : sentence(problem);
}

/** Runs `work` and says what went wrong; whether it went right. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    return (await work()) !== null;
  } catch (error) {
    report(error);
    who.heard(error);
    return false;
  }
}
