//! What tests, demo and benchmarks share: real programs started as real processes, and a small HTTP client.

pub mod browser;
pub mod collector;
pub mod demo;
pub mod engines;
pub mod http;
pub mod https;
pub mod hub_bench;
pub mod ids;
pub mod journal;
pub mod lan;
pub mod netns;
pub mod process;
pub mod provider;
pub mod proxy;
pub mod seed;
pub mod sim;
pub mod till;
