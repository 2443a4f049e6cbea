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
    /// Stamped series of one host.
    pub stamped_per_host_max: usize,
    /// Stamped series of all hosts together.
    pub stamped_max: usize,
    /// Labels of one stamped series, the metric's name among them.
    pub labels_per_series_max: usize,
    /// Bytes of a label's name.
    pub label_name_bytes_max: usize,
    /// Bytes of a label's value.
    pub label_value_bytes_max: usize,
    /// Exemplars of one stamped series.
    pub exemplars_per_series_max: usize,
    /// Metrics whose metadata are kept.
    pub metadata_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            hosts_max: 100_000,
            components_per_host_max: 10_000,
            series_per_host_max: 100_000,
            name_bytes_max: 255,
            stamped_per_host_max: 200_000,
            stamped_max: 5_000_000,
            labels_per_series_max: 64,
            label_name_bytes_max: 512,
            label_value_bytes_max: 4096,
            exemplars_per_series_max: 10,
            metadata_max: 20_000,
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
    /// Too many stamped series in one host.
    #[error("the limit of {0} stamped series per host is reached (metric-store.limits.stamped-per-host)")]
    StampedPerHost(usize),
    /// Too many stamped series in all hosts together.
    #[error("the limit of {0} stamped series is reached (metric-store.limits.stamped)")]
    Stamped(usize),
    /// Too many labels in one series.
    #[error("a series has more than {0} labels (metric-store.limits.labels-per-series)")]
    Labels(usize),
    /// A label's name is too long.
    #[error("the name of a label is longer than {0} bytes (metric-store.limits.label-name-bytes)")]
    LabelName(usize),
    /// A label's value is too long.
    #[error("the value of a label is longer than {0} bytes (metric-store.limits.label-value-bytes)")]
    LabelValue(usize),
    /// Metadata of too many metrics.
    #[error("the limit of {0} metrics with metadata is reached (metric-store.limits.metadata)")]
    Metadata(usize),
    /// Metadata whose texts are too long.
    #[error("the help and unit of a metric are longer than {0} bytes together")]
    MetadataBytes(usize),
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
            LimitReached::StampedPerHost(_) => "limit_stamped_per_host",
            LimitReached::Stamped(_) => "limit_stamped",
            LimitReached::Labels(_) => "limit_labels",
            LimitReached::LabelName(_) => "limit_label_name",
            LimitReached::LabelValue(_) => "limit_label_value",
            LimitReached::Metadata(_) => "limit_metadata",
            LimitReached::MetadataBytes(_) => "limit_metadata_bytes",
        }
    }
}
