import { expect, test } from 'vitest';
import type { SyncStatus } from '../api/types.ts';
import { standing } from './standing.ts';

const WELL: SyncStatus = {
  enrolled: true, hub: { address: 'hub.example:7700', connected: true, last_contact_ms_ago: 10, last_error: null },
  incarnation: '7K2QD', registered: true, acked_seq: 9, unsynced: 0, oldest_unsynced_ms: null,
  catalog: { epoch: 1, version: 3, hub_version: 3 }, link: 'online', clock_skew_ms: 0, neighbours: [],
  lease: { held: true, until: '2026-11-26T10:00:00Z', why: null }, frozen: false, quarantined: [],
};

test('a store on its own needs nobody’s leave', () => {
  expect(standing({ ...WELL, enrolled: false, lease: null })).toEqual({ notes: ['alone'], until: null, why: null });
});

test('with a lease everything may be sold, and until when is said', () => {
  expect(standing(WELL)).toEqual({ notes: ['ok'], until: '2026-11-26T10:00:00Z', why: null });
});

test.each([
  [{ lease: { held: false, until: null, why: 'ran_out' } }, ['locked'], 'ran_out'],
  [{ registered: false }, ['unregistered'], null],
  [{ frozen: true }, ['frozen'], null],
  [{ quarantined: [4] }, ['quarantined'], null],
  [{ frozen: true, lease: { held: false, until: null, why: 'no_lease' } }, ['locked', 'frozen'], 'no_lease'],
] as [Partial<SyncStatus>, string[], string | null][])('what holds it back is named: %j', (change, notes, why) => {
  const stands = standing({ ...WELL, ...change });
  expect(stands.notes).toEqual(notes);
  expect(stands.why).toBe(why);
});
