/**
 * What stands in a record of the hub's events, for somebody who wants to know why a consumer could not take it. The
 * message's kind isn't known here: fields are told by number, as `protoc --decode_raw` does.
 */

/** One value of a message: the numbers of its fields from the outside in, and what it holds. */
export interface Piece { path: string; value: string }

/** A message inside a message inside …; deeper ones are told as bytes. */
const DEPTH_MAX = 8;

/** The values of a message in base64, in their order; `null` where it is none. */
export function pieces(base64: string): Piece[] | null {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
  return message(bytes, '', 0);
}

interface Reader { bytes: Uint8Array; at: number }

function message(bytes: Uint8Array, path: string, depth: number): Piece[] | null {
  const reader: Reader = { bytes, at: 0 };
  const found: Piece[] = [];
  while (reader.at < bytes.length) {
    const tag = varint(reader);
    if (tag === null || tag >> 3n === 0n) return null;
    const here = path + (tag >> 3n).toString();
    const inside = value(reader, Number(tag & 7n), here, depth);
    if (inside === null) return null;
    found.push(...inside);
  }
  return found;
}

function value(reader: Reader, kind: number, path: string, depth: number): Piece[] | null {
  if (kind === 0) {
    const number = varint(reader);
    return number === null ? null : [{ path, value: BigInt.asIntN(64, number).toString() }];
  }
  if (kind === 2) {
    const length = varint(reader);
    const bytes = length === null ? null : take(reader, length);
    return bytes && held(bytes, path, depth);
  }
  const fixed = kind === 1 ? take(reader, 8n) : kind === 5 ? take(reader, 4n) : null;
  return fixed && [{ path, value: hex(fixed) }];
}

/** Text, where it can be read as such; else a message; else bytes. */
function held(bytes: Uint8Array, path: string, depth: number): Piece[] {
  const text = readable(bytes);
  if (text !== null) return [{ path, value: text }];
  const inside = depth < DEPTH_MAX ? message(bytes, `${path}.`, depth + 1) : null;
  return inside ?? [{ path, value: hex(bytes) }];
}

function readable(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return /\p{Cc}/u.test(text) ? null : text;
  } catch {
    return null;
  }
}

function varint(reader: Reader): bigint | null {
  let number = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) return null;
    number |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
  return null;
}

function take(reader: Reader, length: bigint): Uint8Array | null {
  if (length > BigInt(reader.bytes.length - reader.at)) return null;
  const from = reader.at;
  reader.at += Number(length);
  return reader.bytes.subarray(from, reader.at);
}

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
