//! The answer to a request, written as it is found: `{"queries"?, "results": [[entry, …], …]}`.
//!
//! Invariants: row `i` belongs to query `i` (those of `for-all-nodes` follow behind, and `queries` names them), and a
//! row's `k`-th entry to its `k`-th pair of ids. Never is the whole answer in memory: a few batches of entries at most.
//!
//! **Missing names.** An entry that nothing is known of is left out, as the reference leaves it out, when nothing
//! follows it in its row: an unknown host or metric gives an empty row. When another entry follows, clients would take
//! that one for the missing one, for they count; so an entry without data, as for a range without data, keeps its
//! place.

use std::io;
use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::AtomicUsize;
use std::thread;

use super::batch::{Batch, Rows};
use super::entry::Task;
use super::job::Job;
use super::parallel::{Spread, in_order, next_batch};
use super::request::{Request, RequestError, SELECTIONS_MAX};
use super::sink::Sink;
use super::source::Source;

/// Answers a request, and writes nothing before it is clear that it can.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] around a [`RequestError::TooMany`], before anything is written, when `for-all-nodes`
/// asks for too much; any other error is the writer's. What goes wrong with a single query stands in its row.
pub fn answer<S: Source>(source: &S, request: &Request<'_>, out: &mut dyn Sink) -> io::Result<()> {
    answer_with(source, request, Cut::usual(*THREADS), out)
}

/// Answers a request that is little work, one entry after the other as long as `has_time`; `None` when it is more, and
/// then nothing has happened.
pub fn answer_quickly<S: Source>(source: &S, request: &Request<'_>, has_time: &dyn Fn() -> bool) -> Option<Vec<u8>> {
    let job = Job::new(source, request);
    if job.entries > QUICK_ENTRIES_MAX || job.slots > QUICK_SLOTS_MAX {
        return None;
    }
    // Writing to memory does not fail.
    let mut out = Vec::new();
    let head = job.write_head(&mut out).ok()?;
    let tasks = job.tasks().take_while(|_| has_time());
    let batch = Batch::print(source, request, tasks, head, &AtomicUsize::new(QUICK_BYTES_USUAL));
    if batch.len() < job.entries {
        return None;
    }
    let mut rows = Rows::new(&mut out, request);
    rows.take(batch).ok()?;
    rows.end(job.empty_rows()).ok()?;
    Some(out)
}

/// Threads of one request. The system is asked once: it reads several files to find that out.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX));

/// Threads of one request at most, so that one does not take a large machine for itself.
const THREADS_MAX: usize = 8;

/// How the work on one answer is cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// With more entries, or more slots in them, it pays to begin threads.
    serial_entries_max: usize,
    serial_slots_max: u64,
    spread: Spread,
}

impl Cut {
    /// What a batch may weigh, in values that are printed, bounds the memory of an answer under way, and keeps a
    /// batch's text in the processor's cache.
    fn usual(threads: usize) -> Cut {
        let spread = Spread { threads, batch_len_max: 64, batch_weight: 1 << 14 };
        Cut { serial_entries_max: 256, serial_slots_max: 1 << 16, spread }
    }
}

/// So many values that are only read weigh as much as one that is printed.
const READ_PER_PRINTED: u64 = 16;

/// Up to here an answer may be ready before another thread would have begun with it.
const QUICK_ENTRIES_MAX: usize = 128;
const QUICK_SLOTS_MAX: u64 = 1024;
const QUICK_BYTES_USUAL: usize = 24 << 10;

fn answer_with<S: Source>(source: &S, request: &Request<'_>, cut: Cut, out: &mut dyn Sink) -> io::Result<()> {
    let job = Job::new(source, request);
    if job.entries > SELECTIONS_MAX {
        let asked = job.entries;
        return Err(io::Error::new(io::ErrorKind::InvalidInput, RequestError::TooMany { asked }));
    }
    let weight = |task: &Task<'_>| {
        let slots = request.slots(source, task.metric);
        let printed = match u64::try_from(task.resolution_secs) {
            Ok(resolution_secs @ 1..) => slots.min(request.span_secs() / resolution_secs),
            _ => slots,
        };
        printed + slots / READ_PER_PRINTED
    };
    let bytes_usual = AtomicUsize::new(0);
    let print = |tasks: Vec<Task<'_>>, json| Batch::print(source, request, tasks, json, &bytes_usual);
    let Cut { serial_entries_max, serial_slots_max, spread } = cut;

    let mut head = job.write_head(out)?;
    let mut rows = Rows::new(out, request);
    let mut tasks = job.tasks();
    let is_large = job.entries > serial_entries_max || job.slots > serial_slots_max;
    if spread.threads > 1 && job.entries > 1 && is_large {
        rows.take(print(Vec::new(), head))?;
        in_order(
            tasks,
            spread,
            weight,
            |tasks| print(tasks, Vec::new()),
            |batches| {
                for batch in batches {
                    rows.take(batch)?;
                }
                Ok(())
            },
        )?;
    } else {
        loop {
            let batch = next_batch(&mut tasks, spread, weight);
            let is_last = batch.is_empty();
            rows.take(print(batch, std::mem::take(&mut head)))?;
            if is_last {
                break;
            }
        }
    }
    if rows.taken() < job.entries {
        return Err(io::Error::other("a thread that evaluates queries has died"));
    }
    rows.end(job.empty_rows())
}

#[cfg(test)]
mod tests;
