//! Whole programs, through their public interfaces; one file a theme.

mod agree;
mod customers;
mod hub;
mod lan;
mod node;
mod node_restore;
mod recovery;
mod rejoin;
mod services;
mod stock;
