//! Line protocol for tests.

use std::fmt;

/// A round time that all tests count from: a multiple of 60, long past, well inside every test's retention.
pub const T0: i64 = 1_770_244_800;

/// One line; it prints itself without a line end.
#[derive(Debug, Clone)]
pub struct Line {
    pub metric: &'static str,
    pub host: String,
    /// More tags with a leading comma, as `,type=hwthread,type-id=0`; empty for the host itself.
    pub tags: String,
    pub value: f64,
    pub secs: i64,
}

impl Line {
    pub fn new(metric: &'static str, host: impl Into<String>, value: f64, secs: i64) -> Line {
        Line { metric, host: host.into(), tags: ",type=node".to_owned(), value, secs }
    }

    /// The same of a component.
    pub fn of(mut self, kind: &str, id: impl fmt::Display) -> Line {
        self.tags = format!(",type={kind},type-id={id}");
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { metric, host, tags, value, secs } = self;
        write!(f, "{metric},cluster=alex,hostname={host}{tags} value={value} {secs}")
    }
}
