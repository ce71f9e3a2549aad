import { afterEach, expect, test, vi } from 'vitest';
import { cartInAddress, roomAddress, roomInAddress, showCart } from './address.ts';

const ID = '01932f00-0000-7000-8000-000000000001';
const at = (hash: string) => {
  const replaceState = vi.fn();
  vi.stubGlobal('location', { hash, pathname: '/', search: '?till=R2' });
  vi.stubGlobal('history', { replaceState });
  return replaceState;
};

afterEach(() => vi.unstubAllGlobals());

test('an address names a cart or a room, never both', () => {
  at(`#cart=${ID}`);
  expect([cartInAddress(), roomInAddress()]).toEqual([ID, null]);
  at('#/stock/counts');
  expect([cartInAddress(), roomInAddress()]).toEqual([null, ['stock', 'counts']]);
  at('#/status');
  expect(roomInAddress()).toEqual(['status', '']);
  for (const other of ['', '#', '#cart=1', '#/', '#/a/b/c', '#cash-and-carry']) {
    at(other);
    expect([cartInAddress(), roomInAddress()], other).toEqual([null, null]);
  }
});

test('what a room is told to be at comes back from its address', () => {
  at(roomAddress('orders', 'R1/7K2QD #9'));
  expect(roomInAddress()).toEqual(['orders', 'R1/7K2QD #9']);
});

test('a cart is put into the address only while selling', () => {
  const selling = at('');
  showCart(ID);
  expect(selling).toHaveBeenCalledWith(null, '', `/?till=R2#cart=${ID}`);
  const elsewhere = at('#/stock');
  showCart(ID);
  expect(elsewhere).not.toHaveBeenCalled();
});
