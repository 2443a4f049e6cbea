//! Recording and alerting rules: Prometheus's rule files, evaluated over the tree.
//!
//! [`load`] reads and checks the files. A [`Manager`] evaluates their groups, each at its own times and in parallel,
//! stores what they make through a [`ResultSink`] and tells Alertmanagers of alerts. States, times and texts are
//! those of Prometheus 3 (`rules/` there).

mod alert;
mod alerting;
mod environment;
mod evaluation;
pub mod file;
mod group;
mod manager;
mod notify;
mod options;
mod query;
mod recording;
mod restore;
mod rule;
mod schedule;
mod sink;
mod template;
#[cfg(test)]
mod tests;

pub use alert::{Alert, AlertState};
pub use group::{Group, GroupStatus};
pub use manager::{Manager, Parts, load};
pub use notify::{AlertmanagerOptions, Credentials, Notification, NotifyOptions, SenderError};
pub use options::Options;
pub use query::{AskError, Deadline, QueryOptions, Sources};
pub use rule::{Health, Rule, RuleState};
pub use sink::{ResultSample, ResultSink, Stored};
pub use template::{Rfc3339Millis, go_scientific};
