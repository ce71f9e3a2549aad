//! Instants as they come in through the door; this crate never asks a clock.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcMs(pub i64);

/// Whether `now` is in `[from, to)`; no `to` means for good.
pub fn in_force(from: UtcMs, to: Option<UtcMs>, now: UtcMs) -> bool {
    from <= now && to.is_none_or(|end| now < end)
}
