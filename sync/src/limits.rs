//! Every limit of the log and the session, in one place.

/// Events in one batch.
pub const BATCH_EVENTS_MAX: usize = 500;
/// Canonical bytes in one batch, before packing; a batch holds at least one signed stretch whatever its size. Packed it
/// passes a slow link well within [`SILENCE_MS_MAX`], for a word is heard only once it is whole.
pub const BATCH_BYTES_MAX: usize = 256 << 10;
/// Batches that may be on their way unacknowledged, each way.
pub const UNACKED_BATCHES_MAX: usize = 4;
/// A packed frame on the wire.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Canonical bytes that one payload may be rebuilt to: a few bytes of a hostile sender can't become a mountain.
pub const UNPACKED_BYTES_MAX: usize = 16 << 20;
/// Canonical bytes of one event.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// A single effect of more base units than this is implausible (`model.md` §6).
pub const PLAUSIBLE_UNITS_MAX: u64 = 1_000_000_000;
/// How often each side says it is alive.
pub const HEARTBEAT_MS: i64 = 2_000;
/// Without a word for this long the link is dead.
pub const SILENCE_MS_MAX: i64 = 7_000;
/// While something is outstanding, an ack or an applied batch must come within this time.
pub const PROGRESS_MS_MAX: i64 = 30_000;
/// Catalog entries in one frame.
pub const CATALOG_ENTRIES_MAX: usize = 200;
/// Somebody else's events wait so long before they are relayed to the hub, and from it: their author is likely to send
/// them itself, and a word that they have arrived spares the bytes.
pub const RELAY_HUB_MS: i64 = 1_000;
/// The same between neighbours.
pub const RELAY_LAN_MS: i64 = 250;
/// A stream that the other side declined isn't offered again before this time.
pub const DECLINED_MS: i64 = 10_000;
/// Requests for rights that one session may have open.
pub const ASKS_MAX: usize = 64;
/// Carts in one frame.
pub const CARTS_MAX: usize = 50;
/// Streams in one frontier: far more incarnations than a store's machines ever had.
pub const FRONTIER_HEADS_MAX: usize = 10_000;
/// Events that a hub names to a node as set aside; of more the first ones.
pub const ASIDE_MAX: usize = 256;
