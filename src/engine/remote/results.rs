//! What rules make, on its way into the store: placed as series of remote write are, but neither relabelled nor mapped.

use super::super::core::Engine;
use super::super::options::CheckpointFormat;
use super::super::outcome::IngestError;
use super::super::stamped::StampedReport;
use super::grid::GridTarget;
use super::report::complaint;
use crate::model::{Labels, Sample, StampedSample, StampedValue, is_stale};

/// A sample that a rule made: its series, its time in milliseconds since 1970, and its value.
pub type RuleSample<'s> = (&'s Labels, i64, &'s StampedValue);

/// What became of the samples of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleReport {
    /// The places of samples that have no series.
    pub refused: Vec<usize>,
    /// What was left out and why, if anything was.
    pub complaint: Option<String>,
}

impl Engine {
    /// Stores what rules make: on the grid if a series is a configured metric in the tree's own words, else as it is.
    /// The log holds it before this returns. Blocks on locks and on the disk.
    ///
    /// # Errors
    ///
    /// What keeps the store from taking anything.
    pub fn write_results<'s>(
        &self,
        samples: impl IntoIterator<Item = RuleSample<'s>>,
    ) -> Result<RuleReport, IngestError> {
        self.check_writable(false)?;
        let mut write = self.write_stamped("rules");
        let (options, metrics, limits) = (self.receiver.options(), self.store.metrics(), self.store.limits());
        let takes_stamped = self.options.format == CheckpointFormat::Native;
        let mut refused = Vec::new();
        for (at, (labels, time_ms, value)) in samples.into_iter().enumerate() {
            let place = options.placing.place(labels);
            let target = GridTarget::of(&options.placing, place, labels, &metrics);
            let found = write.host(place.cluster, place.host).and_then(|host| match (target, value) {
                (Some(target), StampedValue::Float(value)) => {
                    // A gap says the same in the grid.
                    if is_stale(*value) {
                        return Ok(());
                    }
                    let series = target.series(&host, limits)?;
                    write.grid_sample(&host, Sample { series, secs: time_ms.div_euclid(1000), value: *value });
                    Ok(())
                }
                _ if !takes_stamped => {
                    refused.push(at);
                    let text = || format!("{}: {labels}", IngestError::GridOnly);
                    write.refuse("grid_only", 1, text);
                    Ok(())
                }
                _ => {
                    let series = host.stamped(labels, limits)?;
                    write.sample(&host, StampedSample { series, time_ms, start_ms: 0, value: value.clone() });
                    Ok(())
                }
            });
            if let Err(limit) = found {
                refused.push(at);
                write.refuse(limit.reason(), 1, || format!("{limit}, for series {labels}"));
            }
        }
        let mut report = StampedReport::default();
        write.finish(&mut report)?;
        Ok(RuleReport { refused, complaint: complaint(&report) })
    }
}
