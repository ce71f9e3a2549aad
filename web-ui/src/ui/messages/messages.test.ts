import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { en } from './en.ts';
import { vi } from './vi.ts';

type Tree = Record<string, unknown>;

/** Every key with what kind of thing it holds; problem codes and reasons are typed loosely, so they count too. */
function keys(of: Tree, path = ''): string[] {
  return Object.entries(of).flatMap(([key, value]) => {
    const at = `${path}/${key}`;
    return value && typeof value === 'object' && !Array.isArray(value) ? keys(value as Tree, at) : [`${at}:${typeof value}`];
  });
}

test('both languages say the same things', () => {
  expect(keys(vi as unknown as Tree).sort()).toEqual(keys(en as unknown as Tree).sort());
  expect(vi.keyList.map(([, what]) => what).length).toBe(en.keyList.length);
});

test('every problem is a sentence that ends with what to do', () => {
  for (const [code, text] of [...Object.entries(en.problems), ...Object.entries(vi.problems)]) {
    expect(text, code).toMatch(/^\p{Lu}.+\.$/u);
  }
});

// The node's document lists its codes; a node without the file is one that was never built here.
const document = new URL('../../../../node/openapi.json', import.meta.url);
test.skipIf(!existsSync(document))('what the node can answer has words here', () => {
  const listed = readFileSync(document, 'utf8').match(/\b[A-Z][A-Z]+(?:_[A-Z]+)+\b/g) ?? [];
  const known = new Set(Object.keys(en.problems));
  expect([...new Set(listed)].filter((code) => code !== 'SCREAMING_SNAKE' && !known.has(code))).toEqual([]);
});
