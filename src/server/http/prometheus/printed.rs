//! Parts of an answer printed by several threads, and written in their order.
//!
//! Invariant: a thread is never more than [`AHEAD`] parts in front of what was written, however slow the client is.

use std::io;
use std::sync::mpsc::sync_channel;

use crate::query::Sink;

/// Parts of a thread that wait to be written.
const AHEAD: usize = 2;

/// Prints parts with several threads, this one writes them.
pub(super) fn in_threads(
    out: &mut dyn Sink,
    parts: usize,
    threads: usize,
    print: impl Fn(usize) -> io::Result<Vec<u8>> + Sync,
) -> io::Result<()> {
    let threads = threads.min(parts);
    if threads < 2 {
        return (0..parts).try_for_each(|part| out.take(print(part)?));
    }
    let print = &print;
    std::thread::scope(|scope| {
        let mut printers = Vec::with_capacity(threads);
        for first in 0..threads {
            let (sender, receiver) = sync_channel(AHEAD);
            let work = move || {
                for part in (first..parts).step_by(threads) {
                    // Nobody listens any more when writing failed.
                    if sender.send(print(part)).is_err() {
                        return;
                    }
                }
            };
            // A machine that has no thread left still has this one.
            let spawned = std::thread::Builder::new().spawn_scoped(scope, work);
            printers.push(spawned.is_ok().then_some(receiver));
        }
        for part in 0..parts {
            let text = match &printers[part % threads] {
                Some(receiver) => receiver.recv().map_err(|_| io::Error::other("a part was not printed"))?,
                None => print(part),
            };
            out.take(text?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn parts_come_in_their_order() {
        for threads in 0..5 {
            for parts in [0, 1, 2, 7, 100] {
                let mut out = Vec::new();
                in_threads(&mut out, parts, threads, |part| Ok(format!("{part},").into_bytes())).unwrap();
                let expected: String = (0..parts).map(|part| format!("{part},")).collect();
                assert_eq!(String::from_utf8(out).unwrap(), expected);
            }
        }
    }

    struct Gone(usize);

    impl Write for Gone {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Gone {}

    #[test]
    fn printing_ends_soon_after_the_client_went() {
        let printed = AtomicUsize::new(0);
        let outcome = in_threads(&mut Gone(5), 10_000, 3, |_| {
            printed.fetch_add(1, Ordering::Relaxed);
            Ok(vec![b' '; 10])
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let printed = printed.into_inner();
        assert!(printed <= 5 + 3 * (AHEAD + 2), "{printed}");
    }
}
