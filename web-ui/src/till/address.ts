/** Where this page is, in the part of its address after `#`: `#cart=ID` while selling, `#/room/place` elsewhere. */

const CART = /^#cart=([0-9a-f-]{36})$/i;
const ROOM = /^#\/([a-z]+)(?:\/([^/]*))?$/;

/** The cart the address names. */
export function cartInAddress(): string | null {
  return CART.exec(location.hash)?.[1] ?? null;
}

/** The room the address names, with the place in it (may be empty). */
export function roomInAddress(): [string, string] | null {
  const found = ROOM.exec(location.hash);
  return found ? [found[1]!, decodeURIComponent(found[2] ?? '')] : null;
}

/** Names the cart in the address, unless another room stands there: coming back puts it in. */
export function showCart(id: string | null): void {
  if (roomInAddress()) return;
  history.replaceState(null, '', location.pathname + location.search + (id ? `#cart=${id}` : ''));
}

export function roomAddress(room: string, place: string): string {
  return place ? `#/${room}/${encodeURIComponent(place)}` : `#/${room}`;
}
