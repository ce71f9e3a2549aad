/** Every failure ends here: a sentence with what to do next, in the user's language. */
import { Problem, Unreachable } from '../api/client.ts';
import { settings } from '../ui/settings.svelte.ts';
import { beep } from '../ui/sound.ts';
import { toasts } from '../ui/toasts.svelte.ts';
import { link } from './link.svelte.ts';

/** The sentence for a problem: ours for its code, else the node's own words. */
export function sentence(problem: Problem): string {
  const { t } = settings;
  return t.problems[problem.code] ?? t.problem(problem.body.detail || problem.body.title);
}

/** Says what went wrong. An unreachable node isn't a message but a state: the red bar. */
export function report(error: unknown): void {
  beep('reject');
  if (error instanceof Unreachable) return link.lose();
  if (error instanceof Problem) {
    const detail = settings.t.code(error.code, error.body.trace_id ?? '');
    return toasts.show({ kind: 'error', text: sentence(error), detail });
  }
  toasts.show({ kind: 'error', text: settings.t.failed, detail: String(error) });
}
