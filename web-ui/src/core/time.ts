/** Ages as a number and its unit, for the messages to put into words. */

export type AgeUnit = 'second' | 'minute' | 'hour' | 'day';

/** The biggest unit that fits at least once, rounded down: 125 s is 2 minutes. */
export function age(ms: number): [number, AgeUnit] {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return [seconds, 'second'];
  if (seconds < 3600) return [Math.floor(seconds / 60), 'minute'];
  if (seconds < 86_400) return [Math.floor(seconds / 3600), 'hour'];
  return [Math.floor(seconds / 86_400), 'day'];
}
