import { expect, test } from 'vitest';
import { en } from './words.en.ts';
import { vi } from './words.vi.ts';

type Tree = Record<string, unknown>;

/** Every key with what kind of thing it holds; states, accounts and findings are typed loosely, so they count too. */
function keys(of: Tree, path = ''): string[] {
  return Object.entries(of).flatMap(([key, value]) => {
    const at = `${path}/${key}`;
    return value && typeof value === 'object' && !Array.isArray(value) ? keys(value as Tree, at) : [`${at}:${typeof value}`];
  });
}

test('both languages say the same things', () => {
  expect(keys(vi as unknown as Tree).sort()).toEqual(keys(en as unknown as Tree).sort());
  expect(vi.steps.length).toBe(en.steps.length);
});
