import { expect, test } from 'vitest';
import { SCAN_DEFAULTS, ScanListener, type Heard, type Key } from './scan.ts';

const CODES: Record<string, string> = { '-': 'Minus', '/': 'Slash', '.': 'Period' };

function key(character: string, at: number): Key {
  const upper = /[A-Z]/.test(character);
  const code = /\d/.test(character) ? `Digit${character}` : CODES[character] ?? `Key${character.toUpperCase()}`;
  return { code, key: character, shift: upper, at };
}

/** Types `text` with a pause before each key as `pause` says, then Enter; answers what Enter meant. */
function type(text: string, pause: (index: number) => number, listener = new ScanListener()): Heard {
  let at = 1000;
  [...text].forEach((character, index) => listener.hear(key(character, (at += pause(index)))));
  return listener.hear({ code: 'Enter', key: 'Enter', shift: false, at: at + pause(text.length) });
}

const scan = (code: string): Heard => ({ kind: 'scan', code });
const OTHER: Heard = { kind: 'other' };

test.each([
  ['a scanner at 10 ms', '4006381333931', () => 10, scan('4006381333931')],
  ['letters and marks keep their case', 'AbC-12345', () => 8, scan('AbC-12345')],
  ['fingers', '4006381333931', () => 120, OTHER],
  ['fast fingers', '4006381333931', () => 60, OTHER],
  ['a short burst', '4011', () => 10, OTHER],
  ['a scanner held up twice by a busy machine', '4006381333931', (i: number) => (i === 3 || i === 8 ? 180 : 10), scan('4006381333931')],
  ['Enter long after the burst', '4006381333931', (i: number) => (i === 13 ? 900 : 10), OTHER],
])('%s', (_story, text, pause, meaning) => {
  expect(type(text, pause)).toEqual(meaning);
});

test('digits typed earlier are no part of a scan', () => {
  const listener = new ScanListener();
  listener.hear(key('9', 0));
  expect(type('4006381333931', () => 10, listener)).toEqual(scan('4006381333931'));
});

test('two scans in a row are two codes', () => {
  const listener = new ScanListener();
  expect(type('11111116', () => 10, listener)).toEqual(scan('11111116'));
  expect(type('22222222', () => 10, listener)).toEqual(scan('22222222'));
});

test('a control key ends a burst', () => {
  const listener = new ScanListener();
  for (let i = 0; i < 8; i++) listener.hear(key('1', i * 10));
  listener.hear({ code: 'F9', key: 'F9', shift: false, at: 85 });
  expect(listener.hear({ code: 'Enter', key: 'Enter', shift: false, at: 90 })).toEqual(OTHER);
});

test('a prefix the scanner sends is dropped', () => {
  const listener = new ScanListener({ ...SCAN_DEFAULTS, prefix: ']E0' });
  let at = 0;
  for (const typed of [{ code: 'BracketRight', key: ']' }, { code: 'KeyE', key: 'E', shift: true }]) {
    listener.hear({ shift: false, at: (at += 5), ...typed });
  }
  [...'04006381333931'].forEach((digit) => listener.hear(key(digit, (at += 5))));
  expect(listener.hear({ code: 'NumpadEnter', key: 'Enter', shift: false, at: at + 5 })).toEqual(scan('4006381333931'));
});

test('a Vietnamese input method that rewrites keys does not change the code', () => {
  const listener = new ScanListener();
  let at = 0;
  for (const code of ['KeyA', 'KeyA', 'KeyS', 'Digit1', 'Digit2', 'Digit3']) {
    listener.hear({ code, key: 'Process', shift: false, at: (at += 10) });
  }
  expect(listener.hear({ code: 'Enter', key: 'Enter', shift: false, at: at + 10 })).toEqual(scan('aas123'));
});
