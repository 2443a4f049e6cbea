//! Rows as they go into the writer and come out of the reader.

/// Rows of one series, for the writer.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The host.
    pub hostname: &'a str,
    /// The metric.
    pub metric: &'a str,
    /// The kind of the series' component: `node`, `hwthread`, the kind of a device.
    pub scope: &'a str,
    /// The component's id; empty for the node.
    pub scope_id: &'a str,
    /// The component above; empty is none, and so is everything in a file without parents.
    pub parent: &'a str,
    /// Seconds between two samples.
    pub frequency_secs: u32,
    /// Seconds since 1970, ascending.
    pub timestamps: &'a [i64],
    /// One value a timestamp. NaN is no value and makes no row.
    pub values: &'a [f64],
}

/// Rows of one series, from the reader. The next batch may go on with the same series.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The cluster.
    pub cluster: String,
    /// The host.
    pub hostname: String,
    /// The metric.
    pub metric: String,
    /// The kind of the series' component.
    pub scope: String,
    /// The component's id; empty for the node.
    pub scope_id: String,
    /// The component above; empty when there is none, or when the file has no parents.
    pub parent: String,
    /// Seconds between two samples.
    pub frequency_secs: u32,
    /// Seconds since 1970, in the order of the file: ascending in files of Treering.
    pub timestamps: Vec<i64>,
    /// One value a timestamp.
    pub values: Vec<f64>,
}

/// Which rows to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The first second.
    pub from_secs: i64,
    /// The last second, itself included.
    pub to_secs: i64,
    /// This host alone.
    pub host: Option<String>,
    /// This metric alone.
    pub metric: Option<String>,
}

impl Default for Filter {
    /// Everything.
    fn default() -> Self {
        Filter { from_secs: i64::MIN, to_secs: i64::MAX, host: None, metric: None }
    }
}
