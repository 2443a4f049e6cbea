//! The tree as PromQL sees it: a grid series is `metric{cluster,hostname,type,type_id,stype,stype_id}`.
//!
//! The tree is the index: conditions on `cluster` and `hostname` choose its hosts, the name chooses the series, the
//! rest is looked at a component at a time.

mod catalogue;
mod component;
mod search;
mod source;
#[cfg(test)]
mod tests;

pub use catalogue::{Cardinality, Count, Wanted};
pub use source::GridSource;
