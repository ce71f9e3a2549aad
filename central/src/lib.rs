//! The hub: the system of record for all stores (`hub.md`).
//!
//! `app` decides and is the only writer; `db`, `stream` and `cache` are the engines behind it, each a closed set of
//! members; `http` and `grpc` translate outside words into `app` calls, and async starts there.

pub mod app;
pub mod backup;
pub mod cache;
pub mod checkout;
pub mod config;
pub mod consumers;
pub mod db;
pub mod grpc;
pub mod http;
pub mod hub;
pub mod journal;
pub mod outflow;
pub mod payment;
pub mod presence;
pub mod secrets;
pub mod serve;
pub mod stream;
pub mod trail;
pub mod upkeep;
pub mod webhook;
