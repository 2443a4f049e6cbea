//! The archive as a whole, on real files: what is written, what stays, and what a crash at any step leaves.

mod bench;
mod crashes;
mod offline;
mod online;
mod power;
mod recorded;
mod retention;
