/** What the node may promise right now, in the words of the status screen. */
import type { SyncStatus } from '../api/types.ts';

export type Standing = 'ok' | 'alone' | 'locked' | 'frozen' | 'unregistered' | 'quarantined';

export interface Stands {
  notes: Standing[];
  /** Until when limited goods sell without the hub (RFC 3339). */
  until: string | null;
  /** Why they don't, by the node's own name for it. */
  why: string | null;
}

export function standing(status: SyncStatus): Stands {
  if (!status.enrolled) return { notes: ['alone'], until: null, why: null };
  const lease = status.lease ?? null;
  const notes: Standing[] = [];
  if (!status.registered) notes.push('unregistered');
  if (lease && !lease.held) notes.push('locked');
  if (status.frozen) notes.push('frozen');
  if (status.quarantined?.length) notes.push('quarantined');
  return { notes: notes.length ? notes : ['ok'], until: lease?.held ? lease.until : null, why: lease?.held === false ? lease.why : null };
}
