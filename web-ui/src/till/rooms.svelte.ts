/** Which screen is shown: selling, or one of the rooms around it. Rooms are loaded when they are first entered. */
import { roomAddress, roomInAddress } from './address.ts';

export const ROOMS = ['sell', 'orders', 'stock', 'shift', 'customers', 'status'] as const;
export type Room = (typeof ROOMS)[number];

class Rooms {
  now = $state<Room>('sell');
  /** A place inside the room, such as a tab or a receipt. */
  place = $state('');
  /** What a scan means in this room; nothing where the room takes none. */
  onScan: ((code: string) => void) | null = null;
  /** The cart to name in the address when selling goes on. */
  cart: () => string | null = () => null;

  /** Reads the address, at start and when the user goes back. */
  read(): void {
    const [room, place] = roomInAddress() ?? ['sell', ''];
    const known = ROOMS.find((one) => one === room);
    this.now = known ?? 'sell';
    this.place = place;
  }

  enter(room: Room, place = ''): void {
    if (room === this.now && place === this.place) return;
    this.onScan = null;
    this.now = room;
    this.place = place;
    const cart = this.cart();
    const here = room === 'sell' ? (cart ? `#cart=${cart}` : '') : roomAddress(room, place);
    history.pushState(null, '', location.pathname + location.search + here);
  }

  /** Another place of the same room, without a step in the browser's history. */
  stay(place: string): void {
    this.place = place;
    history.replaceState(null, '', roomAddress(this.now, place));
  }
}

export const rooms = new Rooms();
