import { expect, test } from 'vitest';
import { pieces } from './wire.ts';

const packed = (...bytes: number[]) => btoa(String.fromCharCode(...bytes));

test('a message is told field by field, with what is inside it', () => {
  // 1: "13", 2: { 1: 5, 4: -1 }, 3: a double, 4: bytes that are no text.
  const inner = [0x08, 5, 0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
  const message = packed(0x0a, 2, 0x31, 0x33, 0x12, inner.length, ...inner, 0x19, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x22, 2, 0xff, 0x00);
  expect(pieces(message)).toEqual([
    { path: '1', value: '13' },
    { path: '2.1', value: '5' },
    { path: '2.4', value: '-1' },
    { path: '3', value: '00 00 00 00 00 00 f0 3f' },
    { path: '4', value: 'ff 00' },
  ]);
});

test('marks of all languages stay what they are', () => {
  const name = [...new TextEncoder().encode('Sữa tươi')];
  expect(pieces(packed(0x0a, name.length, ...name))).toEqual([{ path: '1', value: 'Sữa tươi' }]);
});

test('an empty message has no fields', () => expect(pieces('')).toEqual([]));

test.each([
  ['no base64', '§'], ['cut off in a field', packed(0x0a, 9, 0x31)], ['cut off in a number', packed(0x08, 0xff)],
  ['field 0', packed(0x00, 1)], ['a kind that nobody has', packed(0x0f, 1)], ['an endless number', packed(0x08, ...Array<number>(11).fill(0xff))],
])('what is none is not guessed at: %s', (_, text) => expect(pieces(text)).toBe(null));

test('messages in messages end somewhere', () => {
  let bytes = [0x08, 1];
  for (let n = 0; n < 60; n++) bytes = [0x0a, bytes.length, ...bytes];
  expect(pieces(packed(...bytes))).toHaveLength(1);
});
