//! Small worlds walked whole (`model.md` §9): five models whose every step calls the real core, and the wrong shortcuts
//! of `model.md` §3, each of which must break one of them. Every run prints bounds, states, depth and symmetry;
//! `scripts/test --full` takes larger bounds.

mod barriers;
mod carts;
mod custody;
mod hubs;
mod kit;
mod memory;
mod overdraw;
mod shortcuts;
