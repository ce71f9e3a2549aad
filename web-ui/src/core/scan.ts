/**
 * A scanner that types: a burst of keys much faster than fingers, ended by Enter (`conventions.md` §1.8).
 *
 * Pure: keys with their times go in, a finished code comes out, so that every rule is a table test. The code is
 * built from `KeyboardEvent.code`, because a Vietnamese input method rewrites what `key` says.
 */

export interface Key {
  /** `KeyboardEvent.code`, e.g. `Digit7`, `KeyA`, `Enter`. */
  code: string;
  /** `KeyboardEvent.key`; used for marks that have no place of their own. */
  key: string;
  shift: boolean;
  /** Milliseconds on any steady clock. */
  at: number;
}

export interface ScanSettings {
  /** A pause between two keys of a scanner; fingers are slower. */
  gapMs: number;
  /** A busy machine may hold keys back for a moment: this long is still the same code if most of it was fast. */
  pauseMs: number;
  /** Shorter bursts are fingers. */
  minLength: number;
  /** A prefix some scanners are set to send; dropped. */
  prefix: string;
}

export const SCAN_DEFAULTS: ScanSettings = { gapMs: 30, pauseMs: 250, minLength: 6, prefix: '' };

/** What one key meant: a character of a burst (how many so far), the end of a scan, or nothing to the scanner. */
export type Heard = { kind: 'burst'; length: number } | { kind: 'scan'; code: string } | { kind: 'other' };

export class ScanListener {
  #text = '';
  /** How many pauses inside the text were a scanner's. */
  #fast = 0;
  #last = -Infinity;

  constructor(private readonly settings: ScanSettings = SCAN_DEFAULTS) {}

  /** Tells the listener one key press. */
  hear(key: Key): Heard {
    if (key.code.startsWith('Shift')) return { kind: 'burst', length: this.#text.length };
    const pause = key.at - this.#last;
    this.#last = key.at;
    if (pause > this.settings.pauseMs) this.#forget();
    if (key.code === 'Enter' || key.code === 'NumpadEnter') return this.#end();
    const typed = character(key);
    if (typed === null) {
      this.#forget();
      return { kind: 'other' };
    }
    if (this.#text && pause <= this.settings.gapMs) this.#fast++;
    this.#text += typed;
    return { kind: 'burst', length: this.#text.length };
  }

  #end(): Heard {
    const text = this.#text;
    const scanned = text.length >= this.settings.minLength && this.#fast * 3 >= (text.length - 1) * 2;
    this.#forget();
    if (!scanned) return { kind: 'other' };
    const { prefix } = this.settings;
    return { kind: 'scan', code: prefix && text.startsWith(prefix) ? text.slice(prefix.length) : text };
  }

  #forget(): void {
    this.#text = '';
    this.#fast = 0;
  }
}

function character(key: Key): string | null {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(key.code);
  if (digit && !(key.code.startsWith('Digit') && key.shift)) return digit[1]!;
  const letter = /^Key([A-Z])$/.exec(key.code);
  if (letter) return key.shift ? letter[1]! : letter[1]!.toLowerCase();
  return key.key.length === 1 ? key.key : null;
}
