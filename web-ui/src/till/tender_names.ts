/** How the kinds of payment and their states are called. */
import { settings } from '../ui/settings.svelte.ts';

export function tenderName(kind: string): string {
  return settings.t.tenders[kind] ?? kind;
}

/** Nothing for one that is simply paid. */
export function tenderState(tender: { state: string; now?: string | null }): string {
  return settings.t.tenderStates[tender.now ?? tender.state] ?? '';
}
