//! Work on several threads whose outcomes arrive in the order of their tasks.
//!
//! Invariant: at most `threads + 2` batches are under way or wait to be consumed, so a slow consumer holds the workers
//! back instead of filling the memory.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use parking_lot::Mutex;

/// How tasks are spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// Worker threads beside the caller's, at least 1.
    pub(super) threads: usize,
    /// Tasks of one batch at most.
    pub(super) batch_len_max: usize,
    /// A batch is full when its tasks weigh so much together.
    pub(super) batch_weight: u64,
}

/// Runs `work` over batches of tasks on worker threads and hands the outcomes, in the order of the tasks, to `consume`
/// on this one. When `consume` returns early, what is not begun is not done.
pub(super) fn in_order<T: Send, R: Send>(
    tasks: impl Iterator<Item = T>,
    spread: Spread,
    weight: impl Fn(&T) -> u64,
    work: impl Fn(Vec<T>) -> R + Sync,
    consume: impl FnOnce(&mut dyn Iterator<Item = R>) -> io::Result<()>,
) -> io::Result<()> {
    let in_flight_max = spread.threads + 2;
    let (jobs, queue) = sync_channel::<Job<T, R>>(in_flight_max);
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for _ in 0..spread.threads.max(1) {
            scope.spawn(|| {
                while let Some(job) = take(&queue) {
                    // Nobody listens any more when the consumer returned early.
                    let _ = job.outcome.send(work(job.tasks));
                }
            });
        }
        let mut ordered = Ordered { tasks, weight, spread, in_flight_max, jobs, pending: VecDeque::new() };
        consume(&mut ordered)
        // `ordered` goes and with it the sender: the workers find the queue closed and end.
    })
}

/// A batch of tasks and where its outcome goes.
struct Job<T, R> {
    tasks: Vec<T>,
    outcome: SyncSender<R>,
}

/// The next job; waits for it. The lock is free again before the job is done.
fn take<T, R>(queue: &Mutex<Receiver<Job<T, R>>>) -> Option<Job<T, R>> {
    queue.lock().recv().ok()
}

struct Ordered<I, W, T, R> {
    tasks: I,
    weight: W,
    spread: Spread,
    in_flight_max: usize,
    jobs: SyncSender<Job<T, R>>,
    /// What the batches under way will answer, in their order.
    pending: VecDeque<Receiver<R>>,
}

impl<T, R, I: Iterator<Item = T>, W: Fn(&T) -> u64> Ordered<I, W, T, R> {
    fn dispatch(&mut self) {
        while self.pending.len() < self.in_flight_max {
            let tasks = next_batch(&mut self.tasks, self.spread, &self.weight);
            if tasks.is_empty() {
                return;
            }
            let (outcome, receiver) = sync_channel(1);
            // The queue is open as long as the scope lives, and holds all that may be under way.
            if self.jobs.send(Job { tasks, outcome }).is_err() {
                return;
            }
            self.pending.push_back(receiver);
        }
    }
}

impl<T, R, I: Iterator<Item = T>, W: Fn(&T) -> u64> Iterator for Ordered<I, W, T, R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        self.dispatch();
        // An error means that a worker panicked; the scope passes its panic on.
        self.pending.pop_front()?.recv().ok()
    }
}

/// Takes tasks until a batch is full; empty when there are no more.
pub(super) fn next_batch<T>(tasks: &mut impl Iterator<Item = T>, spread: Spread, weight: impl Fn(&T) -> u64) -> Vec<T> {
    let mut batch = Vec::new();
    let mut batch_weight = 0u64;
    for task in tasks {
        batch_weight = batch_weight.saturating_add(weight(&task));
        batch.push(task);
        if batch.len() >= spread.batch_len_max || batch_weight >= spread.batch_weight {
            break;
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SPREAD: Spread = Spread { threads: 3, batch_len_max: 4, batch_weight: 100 };

    #[test]
    fn outcomes_keep_the_order_of_their_tasks() {
        for len in [0u64, 1, 4, 5, 1000] {
            let mut found = Vec::new();
            in_order(
                0..len,
                SPREAD,
                |_| 1,
                |tasks| tasks.into_iter().map(|task| task * 2).collect::<Vec<_>>(),
                |outcomes| {
                    found.extend(outcomes.flatten());
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(found, (0..len).map(|task| task * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_consumer_that_stops_stops_the_work() {
        let begun = AtomicUsize::new(0);
        let failed = in_order(
            0..1_000_000,
            SPREAD,
            |_| 1,
            |tasks| begun.fetch_add(tasks.len(), Ordering::Relaxed),
            |outcomes| {
                outcomes.next();
                Err(io::Error::other("the client went away"))
            },
        );
        assert!(failed.is_err());
        let in_flight = (SPREAD.threads + 2) * SPREAD.batch_len_max;
        assert!(begun.load(Ordering::Relaxed) <= in_flight, "{begun:?}");
    }

    #[test]
    fn heavy_tasks_travel_alone() {
        // One batch under way at a time per worker and two more: a consumer that took one outcome has seen no more
        // than so many tasks taken.
        let taken = AtomicUsize::new(0);
        let tasks = (0..100).inspect(|_| {
            taken.fetch_add(1, Ordering::Relaxed);
        });
        in_order(
            tasks,
            SPREAD,
            |_| 100,
            |tasks| tasks,
            |outcomes| {
                assert_eq!(outcomes.next(), Some(vec![0]));
                assert_eq!(taken.load(Ordering::Relaxed), SPREAD.threads + 2);
                Ok(())
            },
        )
        .unwrap();
    }
}
