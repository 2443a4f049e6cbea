//! What there is to do for a request: its entries one after the other, and what stands around them.
//!
//! Invariant: the tasks come in the order of the answer's rows, and each knows what stands between it and the one
//! before.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::sync::Arc;

use super::batch::{Lead, TEXT_BYTES};
use super::entry::{self, Task};
use super::request::Request;
use super::selector;
use super::sink::Sink;
use super::source::Source;
use crate::model::Selector;

/// The entries of a request.
pub(super) struct Job<'a> {
    request: &'a Request<'a>,
    nodes: Nodes<'a>,
    /// Entries that are asked for.
    pub(super) entries: usize,
    /// Slots of all of them, as far as the asked time tells.
    pub(super) slots: u64,
    /// Rows without entries since the last task that was taken.
    empty_rows: Cell<usize>,
    /// Whether a task was taken.
    begun: Cell<bool>,
}

impl<'a> Job<'a> {
    /// Counts what there is to do.
    pub(super) fn new(source: &impl Source, request: &'a Request<'_>) -> Self {
        let nodes = Nodes::of(source, request);
        let (mut entries, mut slots) = (nodes.len(), 0u64);
        for metric in nodes.metrics {
            let of_all = request.slots(source, metric).saturating_mul(nodes.hosts.len() as u64);
            slots = slots.saturating_add(of_all);
        }
        for query in &request.queries {
            let count = selector::count(query);
            entries = entries.saturating_add(count);
            slots = slots.saturating_add(request.slots(source, &query.metric).saturating_mul(count as u64));
        }
        Job { request, nodes, entries, slots, empty_rows: Cell::new(0), begun: Cell::new(false) }
    }

    /// Writes what stands before the rows; answers the end of it, which is not written yet.
    pub(super) fn write_head(&self, out: &mut dyn Sink) -> io::Result<Vec<u8>> {
        let mut head = b"{".to_vec();
        self.nodes.write_queries(&mut head, out)?;
        head.extend_from_slice(b"\"results\":[");
        Ok(head)
    }

    /// All tasks, row by row. To be called once.
    pub(super) fn tasks(&self) -> impl Iterator<Item = Task<'_>> {
        let queries = self.request.queries.iter().flat_map(move |query| {
            let lead = self.begin_row(selector::count(query) == 0);
            selector::selectors(&self.request.cluster, query).enumerate().map(move |(index, selector)| Task {
                lead: if index == 0 { lead } else { Lead::Inside },
                selector,
                metric: &query.metric,
                resolution_secs: query.resolution_secs,
                scale_by: query.scale_by,
                resample: query.resample.unwrap_or(self.request.resample),
            })
        });
        let nodes = self.nodes.pairs().map(move |(host, metric)| Task {
            lead: self.begin_row(false),
            selector: Selector { cluster: self.request.cluster.to_string(), host: host.to_string(), below: Vec::new() },
            metric,
            resolution_secs: 0,
            scale_by: 0.0,
            resample: self.request.resample,
        });
        queries.chain(nodes)
    }

    /// Rows without entries behind the last task, once all tasks were taken.
    pub(super) fn empty_rows(&self) -> usize {
        self.empty_rows.get()
    }

    fn begin_row(&self, is_empty: bool) -> Lead {
        let empty_rows = self.empty_rows.get();
        self.empty_rows.set(if is_empty { empty_rows + 1 } else { 0 });
        let is_first = !self.begun.get();
        self.begun.set(!is_first || !is_empty);
        Lead::Row { empty_rows, is_first }
    }
}

/// What `for-all-nodes` adds: every metric for every host.
struct Nodes<'a> {
    metrics: &'a [Cow<'a, str>],
    hosts: Vec<Arc<str>>,
}

impl<'a> Nodes<'a> {
    fn of(source: &impl Source, request: &'a Request<'_>) -> Self {
        let metrics = &request.for_all_nodes[..];
        Nodes { metrics, hosts: if metrics.is_empty() { Vec::new() } else { source.host_names(&request.cluster) } }
    }

    fn len(&self) -> usize {
        self.hosts.len().saturating_mul(self.metrics.len())
    }

    /// The pairs in the order of the answer: a host's metrics lie together.
    fn pairs(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        self.hosts.iter().flat_map(|host| self.metrics.iter().map(move |metric| (host, &**metric)))
    }

    /// Appends the queries that the rows behind the asked ones belong to, with a comma behind; nothing if there is
    /// none. What becomes long is written.
    fn write_queries(&self, text: &mut Vec<u8>, out: &mut dyn Sink) -> io::Result<()> {
        for (index, (host, metric)) in self.pairs().enumerate() {
            text.extend_from_slice(if index == 0 { b"\"queries\":[{\"metric\":" } else { b",{\"metric\":" });
            entry::write_string(text, metric);
            text.extend_from_slice(b",\"host\":");
            entry::write_string(text, host);
            text.extend_from_slice(b",\"resolution\":0,\"aggreg\":false}");
            if text.len() >= TEXT_BYTES {
                out.write_all(text)?;
                text.clear();
            }
        }
        if self.len() != 0 {
            text.extend_from_slice(b"],");
        }
        Ok(())
    }
}
