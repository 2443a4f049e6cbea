//! Bounds against floods of names.

/// How much of everything the tree may hold; what comes beyond is refused and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Hosts in all clusters together.
    pub hosts_max: usize,
    /// Components of one host.
    pub components_per_host_max: usize,
    /// Series of one host.
    pub series_per_host_max: usize,
    /// Bytes of a cluster's, host's, component's or metric's name.
    pub name_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            hosts_max: 100_000,
            components_per_host_max: 10_000,
            series_per_host_max: 100_000,
            name_bytes_max: 255,
        }
    }
}
