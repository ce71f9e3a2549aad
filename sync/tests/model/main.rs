//! The stock model: its golden interleavings (`model.md` §8) and its invariants on random worlds (§7), all against
//! the real core. Replicas exchange real events; the hub is one of them.

mod barriers;
mod counts;
mod custody;
mod fold;
mod hub;
mod laws;
mod memory;
mod rights;
mod standing;
mod world;
