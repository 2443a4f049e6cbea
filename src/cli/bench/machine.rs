//! What the measurement ran on.

use std::fs;

use super::process::kibibytes;

/// The machine, as far as figures depend on it.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// Their name.
    pub processor: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel's version.
    pub kernel: String,
}

impl Machine {
    /// This one; what it does not tell is left empty.
    pub(super) fn this() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let name = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Machine {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned()),
            memory_bytes: kibibytes(&read("/proc/meminfo"), "MemTotal").unwrap_or_default() * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// One line.
    pub(super) fn describe(&self) -> String {
        let Machine { cores, processor, memory_bytes, kernel } = self;
        format!("{cores} cores, {processor}, {:.1} GiB of memory, Linux {kernel}", *memory_bytes as f64 / GIB)
    }
}

/// Bytes that are free to be used.
pub(super) fn available_bytes() -> u64 {
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    kibibytes(&table, "MemAvailable").unwrap_or_default() * 1024
}

/// Bytes of a gibibyte.
pub(super) const GIB: f64 = (1u64 << 30) as f64;
