//! Whole programs, through their public interfaces; one file a theme.

mod agree;
mod backup;
mod carts;
mod customers;
mod fork;
mod hub;
mod hub_restore;
mod lan;
mod lease;
mod node;
mod node_restore;
mod recovery;
mod refunds;
mod rejoin;
mod services;
mod shifts;
mod stock;
mod tenders;
