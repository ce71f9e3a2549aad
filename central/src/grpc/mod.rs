//! What nodes talk to: the sync service over TLS. And what other services talk to: catalog, inventory, orders.

mod listener;
mod pump;
pub mod services;
mod sync;
pub mod tls;

pub use listener::serve;
pub use sync::Service;
