//! The system's allocator: what it is told at the start, and when memory is given back.
//!
//! Owns every call that is specific to glibc's `malloc`; with another C library all of this does nothing. glibc keeps
//! an arena a thread, and memory that one thread frees is of no use to the others: with blocks that live for days and
//! buffers that live for a request, a tenth of a small store was such room. And it gives back what lies at the end of
//! an arena alone, until it is asked. Nothing here is needed to be right.

use std::time::{Duration, Instant};

/// Freed bytes after which it is worth to ask for them, however little is held.
const FREED_BYTES_MIN: u64 = 1 << 20;

/// The part of all held bytes that may be freed and not given back.
const FREED_PART: u64 = 128;

/// What nobody counts, bodies and answers, is given back after this time.
const IDLE: Duration = Duration::from_secs(60);

/// Bytes that the allocator and the system speak of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// What the allocator got from the system, parts of it given back meanwhile.
    pub heap_bytes: u64,
    /// What of that nobody uses.
    pub free_bytes: u64,
    /// What is resident of the process, its program included.
    pub resident_bytes: u64,
    /// The most that was ever resident.
    pub peak_bytes: u64,
}

/// Bounds the number of arenas, before the first thread begins: one a core, two to eight. With a single one, threads
/// that recover wait for each other: on two cores a log took 2.3 s instead of 1.4 s to replay. What the environment
/// says (`MALLOC_ARENA_MAX`) goes first.
pub fn set_up() {
    let is_told = std::env::var_os("MALLOC_ARENA_MAX").is_some() || std::env::var_os("GLIBC_TUNABLES").is_some();
    if !is_told {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        system::bound_arenas(cores.clamp(2, 8) as i32);
    }
}

/// Returns free memory to the system, from all arenas. Takes about a millisecond for a store of 100 MB.
pub fn give_back() {
    system::give_back();
}

/// What the allocator holds, and the peak of the process.
pub fn held() -> Held {
    let (heap_bytes, free_bytes) = system::held();
    // Of the process itself, and there on Linux alone.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    };
    let [resident_bytes, peak_bytes] = ["VmRSS:", "VmHWM:"].map(|name| bytes(name).unwrap_or(0));
    Held { heap_bytes, free_bytes, resident_bytes, peak_bytes }
}

/// Decides when to [`give_back`]: after so much was freed, when nothing happens for a while, and now and then.
#[derive(Debug)]
pub struct Thrift {
    /// What had been freed when memory was given back.
    given_back_bytes: u64,
    /// What had been freed, and how much had been done, at the last look.
    seen: (u64, u64),
    /// How much had been done when memory was given back.
    done: u64,
    at: Instant,
}

impl Default for Thrift {
    fn default() -> Self {
        Thrift { given_back_bytes: 0, seen: (0, 0), done: 0, at: Instant::now() }
    }
}

impl Thrift {
    /// Gives memory back when it is time to: `freed_bytes` counts all that was ever freed, `held_bytes` what is held,
    /// and `done` grows with each piece of work, whose buffers nobody counts. Answers whether it did.
    pub fn look(&mut self, freed_bytes: u64, held_bytes: u64, done: u64) -> bool {
        let freed = freed_bytes.saturating_sub(self.given_back_bytes);
        let is_quiet = (freed > 0 || done != self.done) && (freed_bytes, done) == self.seen;
        let is_much = freed >= FREED_BYTES_MIN.max(held_bytes / FREED_PART);
        let is_due = is_much || is_quiet || self.at.elapsed() >= IDLE;
        self.seen = (freed_bytes, done);
        if is_due {
            give_back();
            (self.given_back_bytes, self.done, self.at) = (freed_bytes, done, Instant::now());
        }
        is_due
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library's own functions, which nothing safe offers")]
mod system {
    use nix::libc;

    pub(super) fn bound_arenas(arenas: i32) {
        // SAFETY: `mallopt` takes two numbers, touches no memory of ours, and locks the allocator for itself.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    }

    pub(super) fn give_back() {
        // SAFETY: `malloc_trim` returns pages of free memory only, and is safe to be called by any thread.
        unsafe { libc::malloc_trim(0) };
    }

    pub(super) fn held() -> (u64, u64) {
        // SAFETY: `mallinfo2` only reads the allocator's own counts, under its locks, and returns them by value.
        let info = unsafe { libc::mallinfo2() };
        ((info.arena + info.hblkhd) as u64, info.fordblks as u64)
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod system {
    pub(super) fn bound_arenas(_: i32) {}

    pub(super) fn give_back() {}

    pub(super) fn held() -> (u64, u64) {
        (0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_after_enough_was_freed() {
        let mut thrift = Thrift::default();
        assert!(!thrift.look(0, 0, 0), "nothing was freed");
        assert!(!thrift.look(FREED_BYTES_MIN - 1, 0, 0));
        assert!(thrift.look(FREED_BYTES_MIN, 0, 0));
        assert!(!thrift.look(2 * FREED_BYTES_MIN - 1, 0, 0), "the count begins anew");
        assert!(!thrift.look(3 * FREED_BYTES_MIN, 3 * FREED_PART * FREED_BYTES_MIN, 0), "little of what is held");
        assert!(thrift.look(3 * FREED_BYTES_MIN, 3 * FREED_PART * FREED_BYTES_MIN, 0), "no more is freed");
        assert!(!thrift.look(3 * FREED_BYTES_MIN, 0, 0), "and nothing since");
        thrift.at = Instant::now().checked_sub(IDLE).unwrap();
        assert!(thrift.look(3 * FREED_BYTES_MIN, 0, 0), "it was a while ago");
    }

    /// Once, buffers of requests stayed for a minute after the last one: nothing that is counted had been freed.
    #[test]
    fn buffers_are_given_back_when_work_pauses() {
        let mut thrift = Thrift::default();
        assert!(!thrift.look(0, 0, 5), "work goes on");
        assert!(!thrift.look(0, 0, 9), "and on");
        assert!(thrift.look(0, 0, 9), "it pauses");
        assert!(!thrift.look(0, 0, 9), "and nothing since");
        assert!(!thrift.look(0, 0, 10) && thrift.look(0, 0, 10), "once more");
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_is_held_is_told() {
        let bytes = vec![1u8; 1 << 20];
        let held = held();
        assert!(held.heap_bytes >= bytes.len() as u64 && held.free_bytes <= held.heap_bytes, "{held:?}");
        assert!(held.peak_bytes >= held.resident_bytes && held.resident_bytes >= bytes.len() as u64, "{held:?}");
    }
}
