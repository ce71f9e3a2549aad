//! What `sync` promises, seen from outside.

mod effects;
mod events;
mod fixtures;
mod rights;
mod wire;
