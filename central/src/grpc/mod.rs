//! What nodes talk to: the sync service over TLS.

mod listener;
mod pump;
mod sync;
pub mod tls;

pub use listener::serve;
pub use sync::Service;
