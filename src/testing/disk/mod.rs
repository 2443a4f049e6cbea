//! A disk in memory that fails on request and knows what a power failure would leave.
//!
//! - [`tree`]: the names, and which of them are durable
//! - [`content`]: the bytes of a file, and which of them are durable
//! - [`fault`]: what goes wrong, and when
//! - [`faulty`]: the disk that is made of these

mod content;
mod fault;
mod faulty;
#[cfg(test)]
mod tests;
mod tree;

pub use fault::{Lasts, Operation};
pub use faulty::{FaultyDisk, Files};
