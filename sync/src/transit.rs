//! Goods between two stores (`model.md` §2, ship and receive).

use serde::{Deserialize, Serialize};

/// One line of a transfer, as both ends tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transit {
    /// Base units that left.
    pub shipped: u64,
    /// Base units that came, of all receipts.
    pub received: u64,
    /// The receiver confirmed its count: nothing more comes.
    pub confirmed: bool,
}

impl Transit {
    /// What is still on its way: nothing once the receiver confirmed what came.
    pub fn in_transit(&self) -> u64 {
        if self.confirmed { 0 } else { self.shipped.saturating_sub(self.received) }
    }

    /// Received − shipped, for a person to look at: what is missing is a discrepancy until it is confirmed, and written
    /// off by that; more than was shipped always is one.
    pub fn discrepancy(&self) -> i128 {
        i128::from(self.received) - i128::from(self.shipped)
    }
}
