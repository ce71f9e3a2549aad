/** Times for reading, in the user's language; a time of today is told without its date. */
import { LOCALES } from '../core/money.ts';
import { settings } from '../ui/settings.svelte.ts';

export function when(rfc3339: string): string {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return rfc3339;
  const today = at.toDateString() === new Date().toDateString();
  const clock: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit' };
  return new Intl.DateTimeFormat(LOCALES[settings.lang], today ? clock : { ...clock, day: '2-digit', month: '2-digit', year: 'numeric' }).format(at);
}

/** A business day as the node writes it, `2026-11-23`. */
export function dayText(day: string): string {
  const at = new Date(`${day}T12:00:00Z`);
  if (Number.isNaN(at.getTime())) return day;
  return new Intl.DateTimeFormat(LOCALES[settings.lang], { day: '2-digit', month: '2-digit', year: 'numeric', timeZone: 'UTC' }).format(at);
}
