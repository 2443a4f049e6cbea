//! Relabelling: rules that change, choose and drop series by their labels, as in Prometheus.
//!
//! Rules are checked when they are made, with Prometheus's words for what is wrong; applying them cannot fail. Pure.

mod action;
mod apply;
mod error;
mod letters;
mod md5;
mod rule;
mod template;
#[cfg(test)]
mod tests;
mod working;

pub use action::Action;
pub use apply::relabel;
pub use error::RuleError;
pub use rule::{Rule, RuleSettings};
pub use template::{Part, parts};
