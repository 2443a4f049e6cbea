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

/// A bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitReached {
    /// Too many hosts.
    #[error("the limit of {0} hosts is reached (metric-store.limits.hosts)")]
    Hosts(usize),
    /// Too many components in one host.
    #[error("the limit of {0} components per host is reached (metric-store.limits.components-per-host)")]
    Components(usize),
    /// Too many series in one host.
    #[error("the limit of {0} series per host is reached (metric-store.limits.series-per-host)")]
    Series(usize),
    /// A name is too long.
    #[error("a name is longer than {0} bytes (metric-store.limits.name-bytes)")]
    Name(usize),
    /// A cluster or a host has a name that leads out of a folder.
    #[error("a cluster's or host's name holds \"..\", /, \\ or NUL")]
    RefusedName,
}

impl LimitReached {
    /// The reason as metrics show it.
    pub fn reason(self) -> &'static str {
        match self {
            LimitReached::Hosts(_) => "limit_hosts",
            LimitReached::Components(_) => "limit_components",
            LimitReached::Series(_) => "limit_series",
            LimitReached::Name(_) => "limit_name",
            LimitReached::RefusedName => "refused_name",
        }
    }
}
