//! The answer to a request, written as it is found: `{"queries"?, "results": [[entry, …], …]}`.
//!
//! Invariants: row `i` belongs to query `i` (those of `for-all-nodes` follow behind, and `queries` names them), and a
//! row's `k`-th entry to its `k`-th pair of ids. Never is the whole answer in memory: a few batches of entries at most.
//!
//! **Missing names.** An entry that nothing is known of is left out, as the reference leaves it out, when nothing
//! follows it in its row: an unknown host or metric gives an empty row. When another entry follows, clients would take
//! that one for the missing one, for they count; so an entry without data, as for a range without data, keeps its
//! place.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::iter;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use super::entry::{self, Entry, Hole, Task};
use super::parallel::{Spread, in_order};
use super::request::{Request, RequestError, SELECTIONS_MAX};
use super::selector;
use super::source::Source;
use crate::model::Selector;

/// Answers a request, and writes nothing before it is clear that it can.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] around a [`RequestError::TooMany`], before anything is written, when `for-all-nodes`
/// asks for too much; any other error is the writer's. What goes wrong with a single query stands in its row.
pub fn answer<S: Source>(source: &S, request: &Request<'_>, out: &mut dyn Write) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    answer_with(source, request, threads, out)
}

/// Threads of one request at most, so that one does not take a large machine for itself.
const THREADS_MAX: usize = 8;

/// With more entries, or more slots in them, it pays to begin threads.
const SERIAL_ENTRIES_MAX: usize = 256;
const SERIAL_SLOTS_MAX: u64 = 1 << 18;

/// A batch that a thread takes at once; in slots it bounds the memory of an answer under way.
const BATCH_ENTRIES_MAX: usize = 32;
const BATCH_SLOTS: u64 = 1 << 16;

const BUFFER_BYTES: usize = 64 << 10;

fn answer_with<S: Source>(source: &S, request: &Request<'_>, threads: usize, out: &mut dyn Write) -> io::Result<()> {
    let nodes = Nodes::of(source, request);
    let rows = || request.queries.iter().map(selector::count).chain(iter::repeat_n(1, nodes.len()));
    let asked = rows().fold(0, usize::saturating_add);
    if asked > SELECTIONS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, RequestError::TooMany { asked }));
    }
    let tasks = || {
        let queries = request.queries.iter().flat_map(|query| {
            selector::selectors(&request.cluster, query).map(|selector| Task {
                selector,
                metric: &query.metric,
                resolution_secs: query.resolution_secs,
                scale_by: query.scale_by,
                resample: query.resample.unwrap_or(request.resample),
            })
        });
        queries.chain(nodes.tasks(request))
    };
    let span_secs = request.to_secs.saturating_sub(request.from_secs).max(0).unsigned_abs();
    let slots = |task: &Task<'_>| {
        let frequency_secs = source.frequency_secs(task.metric).unwrap_or(u32::MAX);
        span_secs / u64::from(frequency_secs.max(1))
    };
    let work = |task: Task<'_>| entry::print(source, request, &task);

    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    out.write_all(b"{")?;
    nodes.write_queries(&mut out)?;
    out.write_all(b"\"results\":[")?;
    let large = || {
        asked > SERIAL_ENTRIES_MAX || tasks().map(|task| slots(&task)).fold(0, u64::saturating_add) > SERIAL_SLOTS_MAX
    };
    if threads > 1 && asked > 1 && large() {
        let spread = Spread { threads, batch_len_max: BATCH_ENTRIES_MAX, batch_weight: BATCH_SLOTS };
        in_order(tasks(), spread, slots, work, |entries| write_rows(&mut out, request, rows(), entries))?;
    } else {
        write_rows(&mut out, request, rows(), &mut tasks().map(work))?;
    }
    out.write_all(b"]}\n")?;
    out.flush()
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

    fn tasks(&self, request: &Request<'_>) -> impl Iterator<Item = Task<'_>> {
        self.pairs().map(|(host, metric)| Task {
            selector: Selector { cluster: request.cluster.to_string(), host: host.to_string(), below: Vec::new() },
            metric,
            resolution_secs: 0,
            scale_by: 0.0,
            resample: request.resample,
        })
    }

    /// Writes the queries that the rows behind the asked ones belong to, with a comma behind; nothing if there is none.
    fn write_queries(&self, out: &mut impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        for (index, (host, metric)) in self.pairs().enumerate() {
            text.clear();
            text.extend_from_slice(if index == 0 { b"\"queries\":[{\"metric\":" } else { b",{\"metric\":" });
            entry::write_string(&mut text, metric);
            text.extend_from_slice(b",\"host\":");
            entry::write_string(&mut text, host);
            text.extend_from_slice(b",\"resolution\":0,\"aggreg\":false}");
            out.write_all(&text)?;
        }
        if self.len() == 0 { Ok(()) } else { out.write_all(b"],") }
    }
}

/// Writes a row of so many entries for each of `rows`, the entries taken one after the other.
fn write_rows(
    out: &mut impl Write,
    request: &Request<'_>,
    rows: impl Iterator<Item = usize>,
    entries: &mut dyn Iterator<Item = Entry>,
) -> io::Result<()> {
    for (index, len) in rows.enumerate() {
        out.write_all(if index == 0 { b"[" } else { b",[" })?;
        write_row(out, request, len, entries)?;
        out.write_all(b"]")?;
    }
    Ok(())
}

fn write_row(
    out: &mut impl Write,
    request: &Request<'_>,
    len: usize,
    entries: &mut dyn Iterator<Item = Entry>,
) -> io::Result<()> {
    let mut missing = 0;
    let mut written = false;
    let mut placeholder = Vec::new();
    for _ in 0..len {
        let printed = match entries.next() {
            Some(Entry::Present(printed)) => printed,
            Some(Entry::Missing) => {
                missing += 1;
                continue;
            }
            None => return Err(io::Error::other("a thread that evaluates queries has died")),
        };
        for _ in 0..missing {
            placeholder.clear();
            placeholder.extend_from_slice(if written { b"," } else { b"" });
            entry::write_placeholder(&mut placeholder, request, printed.resolution_secs);
            out.write_all(&placeholder)?;
            written = true;
        }
        missing = 0;
        if written {
            out.write_all(b",")?;
        }
        match printed.hole {
            None => out.write_all(&printed.json)?,
            Some(Hole { at, nulls }) => {
                out.write_all(&printed.json[..at])?;
                write_nulls(out, nulls)?;
                out.write_all(&printed.json[at..])?;
            }
        }
        written = true;
    }
    Ok(())
}

/// Writes `null,` so many times.
fn write_nulls(out: &mut impl Write, nulls: u64) -> io::Result<()> {
    const BLOCK_NULLS: usize = 1024;
    let block = b"null,".repeat(BLOCK_NULLS);
    for _ in 0..nulls / BLOCK_NULLS as u64 {
        out.write_all(&block)?;
    }
    let rest = (nulls % BLOCK_NULLS as u64) as usize;
    out.write_all(&block[..rest * b"null,".len()])
}

#[cfg(test)]
mod tests;
