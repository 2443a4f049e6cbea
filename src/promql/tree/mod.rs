//! The tree as PromQL sees it: grid series and stamped ones, one set.
//!
//! A grid series is `metric{cluster,hostname,type,type_id,stype,stype_id}`: conditions on `cluster` and `hostname`
//! choose its hosts, the name chooses the series, the rest is looked at a component at a time. A stamped series has the
//! labels that were sent and nothing else; the host that keeps it was found by rules, so no label tells where it lies,
//! and every host is asked.
//!
//! Invariant: no label set is handed out twice. A set that is there more than once, as both kinds or on two hosts, is
//! one series whose samples are merged by time; of one time the stamped sample counts, then the host that sorts first.

mod cardinality;
mod catalogue;
mod component;
mod exemplars;
mod grid_series;
mod merged;
mod search;
#[cfg(test)]
mod short_ways;
mod source;
mod stamped_hosts;
mod stamped_series;
#[cfg(test)]
mod stamped_tests;
#[cfg(test)]
mod tests;
mod together;

pub use cardinality::{Cardinality, Count};
pub use catalogue::Wanted;
pub use source::TreeSource;
