//! `treering bench`: a store is filled, asked, killed and started again; what that costs, as a table.
//!
//! Invariant: a figure is the store's own: its processor time and memory come from the kernel's account of its process,
//! and nothing is reported for a store that has lost a sample on the way.

mod client;
mod days;
mod error;
mod figures;
mod folder;
mod ingest;
mod job;
mod machine;
mod nats;
mod process;
mod questions;
mod report;
mod run;
mod scale;
mod sizes;
mod store;
mod subject;
#[cfg(test)]
mod tests;
mod workload;
mod writer;

pub(super) use run::main;
