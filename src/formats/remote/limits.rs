//! How much of anything one remote write body may hold.

/// What a receiver takes from a sender; the rest is refused with a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteLimits {
    /// Labels of one series; the series is refused beyond.
    pub labels_max: usize,
    /// Bytes of a label's name; the series is refused beyond.
    pub name_bytes_max: usize,
    /// Bytes of a label's value; the series is refused beyond.
    pub value_bytes_max: usize,
    /// Float samples of one body, histograms counted as the samples that would fill their memory; the body is refused
    /// beyond.
    pub samples_max: usize,
    /// Histograms of one series in one body; the series is refused beyond.
    pub histograms_max: usize,
    /// Exemplars of one series in one body; the series is refused beyond.
    pub exemplars_max: usize,
    /// Symbols of a 2.0 body; the body is refused beyond.
    pub symbols_max: usize,
    /// Bytes of a help text or unit; longer ones are cut.
    pub help_bytes_max: usize,
}

impl Default for WriteLimits {
    /// Far beyond what senders send: Prometheus puts 2,000 samples into a body by default.
    fn default() -> WriteLimits {
        WriteLimits {
            labels_max: 128,
            name_bytes_max: 1024,
            value_bytes_max: 8 * 1024,
            samples_max: 4_000_000,
            histograms_max: 10_000,
            exemplars_max: 10_000,
            symbols_max: 500_000,
            help_bytes_max: 4096,
        }
    }
}
