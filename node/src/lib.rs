//! The node: the program in a store. It sells with every cable pulled and keeps everything in one SQLite file.
//!
//! `app` is the only place that joins decisions with the database; `http` and `net` translate outside words into
//! its calls and never know each other (`house.md`, Who may know whom).

pub mod app;
pub mod backup;
pub mod config;
pub mod db;
pub mod http;
pub mod link;
pub mod net;
pub mod peers;
pub mod printing;
pub mod program;
pub mod tls;
pub mod upkeep;
pub mod writer;
