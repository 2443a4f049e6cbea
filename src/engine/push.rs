//! What is pushed over gRPC: from its series to samples of hosts.
//!
//! Invariant, as in `ingest`: what the report counts as stored is in the log when [`Engine::push`] answers.

use std::sync::Arc;

use crate::formats::push::{GridSample, GridSeries, PushRequest};
use crate::model::{MetricTable, Sample, SeriesId};
use crate::store::{Host, LimitReached, SeriesPath};

use super::core::Engine;
use super::ingest::components_of;
use super::names;
use super::remote::{RemoteError, WriteVersion};
use super::stamped::{StampedReport, StampedWrite};

/// At most this many problems are told.
const PROBLEMS_MAX: usize = 10;

/// Why samples are left out without being an error.
const NO_ERRORS: [&str; 3] = ["unknown_metric", "future", "before_horizon"];

/// What became of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushReport {
    /// Samples stored.
    pub stored: u64,
    /// Samples left out without being an error: of unknown metrics, too far in the future, too old, dropped by a rule.
    pub skipped: u64,
    /// Samples refused.
    pub bad: u64,
    /// The first reasons for samples that were left out or refused.
    pub problems: Vec<String>,
}

impl PushReport {
    fn add_skipped(&mut self, report: StampedReport) {
        for (reason, count) in report.skipped {
            *(if NO_ERRORS.contains(&reason) { &mut self.skipped } else { &mut self.bad }) += count;
        }
        let room = PROBLEMS_MAX.saturating_sub(self.problems.len());
        self.problems.extend(report.explanations.into_iter().take(room));
    }
}

impl Engine {
    /// Stores what a request holds: the log holds it before this returns. Blocks on locks and on the disk: not to be
    /// called from an async task directly.
    ///
    /// # Errors
    ///
    /// A malformed request, of which nothing is stored, and what keeps the store from taking anything. What was stored
    /// before a log failed is counted in the report.
    pub fn push(
        &self,
        source: &'static str,
        request: &PushRequest<'_>,
        report: &mut PushReport,
    ) -> Result<(), RemoteError> {
        self.check_writable(false)?;
        // First what may still be malformed.
        if request.has_stamped {
            let remote = self.write_remote_from(source, WriteVersion::V1, request.message())?;
            let (stored, ruled_out) =
                (remote.samples() + remote.histograms(), remote.dropped + remote.dropped_histograms);
            report.stored += stored.saturating_sub(ruled_out);
            report.skipped += ruled_out;
            report.add_skipped(remote.stored);
        }
        if request.grid_series > 0 {
            let mut of_grid = StampedReport::default();
            let mut write = self.write_stamped(source);
            let metrics = self.store.metrics();
            for (at, series) in request.grid().enumerate() {
                self.take_grid_series(&mut write, &metrics, request.default_cluster, at, &series);
            }
            let written = write.finish(&mut of_grid);
            report.stored += of_grid.samples;
            report.add_skipped(of_grid);
            written?;
        }
        Ok(())
    }

    /// Takes the samples of one series of the grid, or says why not.
    fn take_grid_series(
        &self,
        write: &mut StampedWrite<'_>,
        metrics: &MetricTable,
        default_cluster: &str,
        at: usize,
        series: &GridSeries<'_>,
    ) {
        let count = || series.samples().count() as u64;
        let cluster = if series.cluster.is_empty() { default_cluster } else { series.cluster };
        let Some(metric) = metrics.find(series.metric) else {
            let what = || format!("grid series {at}: no metric {:?} is configured", excerpt(series.metric));
            return write.refuse("unknown_metric", count(), what);
        };
        let (components, is_device) = components_of(series.kind, series.id, series.sub_kind, series.sub_id);
        let path = SeriesPath { components: &components, is_device, metric };
        let (host, id) = match self.find_grid_series(write, cluster, series, &path) {
            Ok(found) => found,
            Err(limit) => {
                let what = || format!("grid series {at}: {limit}, for host {:?}", excerpt(series.host));
                return write.refuse(limit.reason(), count(), what);
            }
        };
        let now_secs = self.clock.now_secs();
        for GridSample { value, time_ms } in series.samples() {
            if !value.is_finite() {
                let what = || format!("grid series {at}: value {value} is out of range: expected a finite number");
                write.refuse("not_finite", 1, what);
                continue;
            }
            let secs = if time_ms == 0 { now_secs } else { time_ms.div_euclid(1000) };
            write.grid_sample(&host, Sample { series: id, secs, value });
        }
    }

    fn find_grid_series(
        &self,
        write: &StampedWrite<'_>,
        cluster: &str,
        series: &GridSeries<'_>,
        path: &SeriesPath<'_>,
    ) -> Result<(Arc<Host>, SeriesId), LimitReached> {
        let limit = self.store.limits().name_bytes_max;
        let words = [series.kind, series.id, series.sub_kind, series.sub_id];
        let joined = (series.kind.len() + series.id.len()).max(series.sub_kind.len() + series.sub_id.len());
        if joined > limit || !names::fit_folders(cluster, series.host) {
            return Err(LimitReached::Name(limit));
        }
        // Line protocol has no spelling for them, and the other forms of files have none either.
        if words.iter().chain(&[cluster, series.host]).any(|name| name.contains(char::is_control)) {
            return Err(LimitReached::RefusedName);
        }
        let host = write.host(cluster, series.host)?;
        let id = host.series(path, self.store.limits())?;
        Ok((host, id))
    }
}

/// The start of a name, for an explanation.
fn excerpt(name: &str) -> &str {
    &name[..name.floor_char_boundary(100)]
}
