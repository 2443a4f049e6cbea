//! Rule files: from YAML in Prometheus's form to groups of rules that are known to be good.
//!
//! Every error of every file is told, with file, line and column and in Prometheus's words; a file with an error
//! gives no groups.

mod check;
mod error;
mod find;
mod read;
mod spec;
#[cfg(test)]
mod tests;

pub use error::FileError;
pub use find::find_files;
pub use read::{read_file, read_text};
pub use spec::{GroupSpec, RuleKind, RuleSpec};
