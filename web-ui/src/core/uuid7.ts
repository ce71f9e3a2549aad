/**
 * A UUIDv7 (RFC 9562) as text: the client's own ids for carts and sales.
 *
 * Built from `crypto.getRandomValues`, because `crypto.randomUUID` exists only in a secure context and a till may
 * speak plain HTTP on the shop's own network.
 */
export function uuid7(nowMs: number = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(nowMs / 2 ** (8 * (5 - i))) % 256;
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** When a UUIDv7 was made, in Unix milliseconds; `null` for any other id. */
export function timeOf(id: string): number | null {
  const parts = /^([0-9a-f]{8})-([0-9a-f]{4})-7/i.exec(id);
  return parts ? parseInt(parts[1]! + parts[2]!, 16) : null;
}
