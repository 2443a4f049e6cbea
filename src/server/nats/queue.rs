//! The messages of a subscription that wait to be stored, joined to batches.
//!
//! Invariants: messages leave in the order in which they came, each with a line end behind its last line; those that
//! wait and those in the worker's hand have no more bytes than the limit, but for a single message larger than it.

use std::collections::VecDeque;
use std::sync::Arc;

use memchr::memchr_iter;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Messages are joined up to this many bytes, so that the store's locks and log records are paid once for many.
pub(super) const BATCH_BYTES: usize = 1 << 20;
/// What a message costs beside its payload.
const MESSAGE_BYTES: usize = size_of::<Part>();

/// A bounded queue with one reader.
#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    /// A plain lock: it is held while one message is copied.
    state: Mutex<State>,
    /// Wakes the one worker.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    /// Of the waiting batches and of the one in hand.
    bytes: usize,
    /// Messages of the batch in hand.
    in_hand: u64,
    closed: bool,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Queue { bytes_max, state: Mutex::default(), changed: Notify::new() }
    }

    /// Takes a message, or answers `false` when there is no room for it.
    pub(super) fn push(&self, subject: &str, payload: &[u8]) -> bool {
        if payload.is_empty() {
            return true;
        }
        let bytes = payload.len() + usize::from(!payload.ends_with(b"\n")) + MESSAGE_BYTES;
        {
            let mut state = self.state.lock();
            if state.closed || (state.bytes > 0 && state.bytes + bytes > self.bytes_max) {
                return false;
            }
            state.bytes += bytes;
            match state.batches.back_mut() {
                Some(batch) if batch.bytes() + bytes <= BATCH_BYTES => batch.push(subject, payload),
                _ => {
                    let mut batch = Batch::default();
                    batch.push(subject, payload);
                    state.batches.push_back(batch);
                }
            }
        }
        self.changed.notify_one();
        true
    }

    /// The next batch; `None` once the queue is closed and empty. Its bytes count until [`done`](Self::done).
    pub(super) async fn next(&self) -> Option<Batch> {
        loop {
            {
                let mut state = self.state.lock();
                if let Some(batch) = state.batches.pop_front() {
                    state.in_hand = batch.messages();
                    return Some(batch);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Makes room for as many bytes as a batch has.
    pub(super) fn done(&self, batch: &Batch) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(batch.bytes());
        state.in_hand = 0;
    }

    /// Takes no more messages.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    /// How many messages wait or are in hand.
    pub(super) fn messages(&self) -> u64 {
        let state = self.state.lock();
        state.in_hand + state.batches.iter().map(Batch::messages).sum::<u64>()
    }
}

/// Messages in one buffer.
#[derive(Debug, Default)]
pub(super) struct Batch {
    lines: Vec<u8>,
    parts: Vec<Part>,
}

/// Where a message begins in a batch.
#[derive(Debug)]
struct Part {
    start: usize,
    subject: Arc<str>,
}

impl Batch {
    /// Puts a message behind the others. An empty one has no lines, and no place here.
    pub(super) fn push(&mut self, subject: &str, payload: &[u8]) {
        let needed = self.lines.len() + payload.len() + 1;
        if needed > self.lines.capacity() {
            // Doubling, but not beyond what a batch may hold.
            let capacity = (2 * self.lines.capacity()).min(BATCH_BYTES).max(needed);
            self.lines.reserve_exact(capacity - self.lines.len());
        }
        // Messages in a row mostly have the same subject: they share its name.
        let known = self.parts.last().map(|part| &part.subject).filter(|known| ***known == *subject);
        let subject = known.map_or_else(|| subject.into(), Arc::clone);
        self.parts.push(Part { start: self.lines.len(), subject });
        self.lines.extend_from_slice(payload);
        if !payload.ends_with(b"\n") {
            self.lines.push(b'\n');
        }
    }

    /// The lines of all its messages.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// How many messages it holds.
    pub(super) fn messages(&self) -> u64 {
        self.parts.len() as u64
    }

    /// The message that line `number` (from 1) of the batch belongs to.
    pub(super) fn message_of_line(&self, number: u64) -> Option<MessageLine<'_>> {
        let before = usize::try_from(number.checked_sub(1)?).ok()?;
        let at = match before.checked_sub(1) {
            None => 0,
            Some(before) => memchr_iter(b'\n', &self.lines).nth(before)? + 1,
        };
        let message = self.parts.partition_point(|part| part.start <= at).checked_sub(1)?;
        let part = self.parts.get(message)?;
        let line = memchr_iter(b'\n', &self.lines[part.start..at]).count() as u64 + 1;
        Some(MessageLine { message, subject: &part.subject, line })
    }

    /// What it counts in the queue: the sum of what its messages counted in [`Queue::push`].
    fn bytes(&self) -> usize {
        self.parts.len() * MESSAGE_BYTES + self.lines.len()
    }
}

/// A line by its place in a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MessageLine<'b> {
    /// The message's place in the batch.
    pub message: usize,
    /// Its subject.
    pub subject: &'b str,
    /// The line's number in the message, from 1.
    pub line: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(queue: &Queue) -> Option<Batch> {
        futures_util::FutureExt::now_or_never(queue.next()).flatten()
    }

    #[test]
    fn messages_without_a_line_end_stay_apart() {
        let queue = Queue::new(1 << 20);
        for (subject, payload) in [("a", "1\n2"), ("a", ""), ("b", "3\n"), ("b", "4\n5\n")] {
            assert!(queue.push(subject, payload.as_bytes()));
        }
        let batch = take(&queue).unwrap();
        assert_eq!(batch.lines(), b"1\n2\n3\n4\n5\n");
        assert_eq!(batch.messages(), 3);
        let place = |number| batch.message_of_line(number).map(|found| (found.message, found.subject, found.line));
        let places: Vec<_> = (0..7).map(place).collect();
        let expected =
            [None, Some((0, "a", 1)), Some((0, "a", 2)), Some((1, "b", 1)), Some((2, "b", 1)), Some((2, "b", 2))];
        assert_eq!(places[..6], expected);
        assert!(take(&queue).is_none());
    }

    #[test]
    fn a_full_queue_refuses_until_a_batch_is_done() {
        let queue = Queue::new(1000);
        // One that is larger than the queue passes when it is alone, or it would never pass.
        assert!(queue.push("a", &[b'x'; 2000]));
        assert!(!queue.push("a", b"x"));
        let batch = take(&queue).unwrap();
        assert!(!queue.push("a", b"x"), "a batch in hand still needs its memory");
        queue.done(&batch);
        assert!(queue.push("a", &[b'x'; 900]));
        assert!(!queue.push("a", &[b'x'; 100]));
        assert_eq!(queue.messages(), 1);
        queue.close();
        assert!(!queue.push("a", b"x"));
        assert!(take(&queue).is_some(), "what waits may still leave");
        assert!(take(&queue).is_none());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered(sizes in proptest::collection::vec(1usize..400_000, 1..40)) {
            let queue = Queue::new(usize::MAX);
            let mut expected = Vec::new();
            for (k, &size) in sizes.iter().enumerate() {
                let payload = vec![b'a' + (k % 26) as u8; size];
                prop_assert!(queue.push("s", &payload));
                expected.extend(payload);
                expected.push(b'\n');
            }
            let mut found = Vec::new();
            while let Some(batch) = take(&queue) {
                prop_assert!(batch.lines.capacity() <= BATCH_BYTES);
                found.extend_from_slice(batch.lines());
                queue.done(&batch);
            }
            prop_assert!(found == expected);
            prop_assert_eq!(queue.state.lock().bytes, 0);
        }
    }
}
