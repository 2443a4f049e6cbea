//! What queries need of the store; a narrow door, so that tests can stand behind it.

use std::sync::Arc;

use crate::model::Selector;
use crate::store::{Answer, ReadError, Store};

/// Where answers come from.
pub trait Source: Sync {
    /// Reads a metric over `[from, to)`, both in seconds. The room of `spare` is used for the values where it can be.
    fn read(
        &self,
        selector: &Selector,
        metric: &str,
        from_secs: i64,
        to_secs: i64,
        spare: Vec<f64>,
    ) -> Result<Answer, ReadError>;

    /// The names of a cluster's hosts, sorted.
    fn host_names(&self, cluster: &str) -> Vec<Arc<str>>;

    /// Seconds between two slots of a metric; `None` if the config doesn't name it.
    fn frequency_secs(&self, metric: &str) -> Option<u32>;
}

impl Source for Store {
    fn read(
        &self,
        selector: &Selector,
        metric: &str,
        from_secs: i64,
        to_secs: i64,
        spare: Vec<f64>,
    ) -> Result<Answer, ReadError> {
        self.read_into(selector, metric, from_secs, to_secs, spare)
    }

    fn host_names(&self, cluster: &str) -> Vec<Arc<str>> {
        Store::host_names(self, cluster)
    }

    fn frequency_secs(&self, metric: &str) -> Option<u32> {
        let metrics = self.metrics();
        metrics.find(metric).map(|id| metrics.get(id).frequency_secs)
    }
}
