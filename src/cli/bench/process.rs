//! The kernel's account of a process: processor time and memory.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

use super::error::BenchError;

/// What a process has used so far, of all its threads, those that have ended included.
///
/// # Errors
///
/// There is no such process.
pub(super) fn processor_time(pid: u32) -> Result<Duration, BenchError> {
    let account = |errno: nix::errno::Errno| BenchError::Account { pid, reason: errno.to_string() };
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed())).map_err(account)?;
    Ok(clock.now().map_err(account)?.into())
}

/// What all processes have used that this one has started and waited for.
///
/// # Errors
///
/// The kernel does not tell.
pub(super) fn processor_time_of_ended() -> Result<Duration, BenchError> {
    let account = |errno: nix::errno::Errno| BenchError::Account { pid: std::process::id(), reason: errno.to_string() };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(account)?;
    let span = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()).unsigned_abs())
    };
    Ok(span(usage.user_time()) + span(usage.system_time()))
}

/// What a process occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Bytes at present.
    pub resident_bytes: u64,
    /// The most it ever were.
    pub peak_bytes: u64,
}

/// What a process occupies.
///
/// # Errors
///
/// There is no such process.
pub(super) fn memory(pid: u32) -> Result<Memory, BenchError> {
    let account = |reason: String| BenchError::Account { pid, reason };
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| account(error.to_string()))?;
    let of = |name: &str| kibibytes(&text, name).ok_or_else(|| account(format!("no {name} in /proc/{pid}/status")));
    Ok(Memory { resident_bytes: of("VmRSS")? * 1024, peak_bytes: of("VmHWM")? * 1024 })
}

/// The number behind a name in one of `/proc`'s tables.
pub(super) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let mut words = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split_whitespace();
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_uses() {
        let own = std::process::id();
        let before = processor_time(own).unwrap();
        let mut sum = 0u64;
        // Some work, until the clock shows it.
        while processor_time(own).unwrap() < before + Duration::from_millis(1) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        let memory = memory(own).unwrap();
        assert!(memory.resident_bytes > 1 << 20 && memory.peak_bytes >= memory.resident_bytes, "{memory:?}");
    }

    #[test]
    fn what_a_child_has_used_counts_once_it_has_ended() {
        let before = processor_time_of_ended().unwrap();
        let count = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        assert!(std::process::Command::new("sh").args(["-c", count]).status().unwrap().success());
        assert!(processor_time_of_ended().unwrap() > before);
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        // Linux gives no number as high as this one.
        let pid = 1 << 22;
        assert!(processor_time(pid).is_err());
        let error = memory(pid).unwrap_err().to_string();
        assert!(error.contains(&pid.to_string()), "{error}");
    }

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let table = "VmRSSish:\t1 kB\nVmRSS:\t   42 kB\n";
        assert_eq!((kibibytes(table, "VmRSS"), kibibytes(table, "VmHWM")), (Some(42), None));
    }
}
