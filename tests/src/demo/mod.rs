//! The story that `scripts/demo` tells: a hub and its stores as real programs on this machine, real goods, real
//! baskets, a hub that is away, a node that is killed, and then the books of everybody side by side.
//!
//! [`story::tell`] is the whole of it; the tests of journeys tell it too, with a small catalog.

pub mod client;
pub mod goods;
pub mod neighbours;
pub mod progress;
pub mod prove;
pub mod sell;
pub mod shelf;
pub mod story;
pub mod table;
pub mod town;

/// What can go wrong in a demo, as a sentence; the story ends there.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A value, or why there is none.
pub type Outcome<T> = Result<T, Failure>;
