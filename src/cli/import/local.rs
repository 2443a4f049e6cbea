//! Rows straight into a checkpoint directory: an engine as the server runs it, without the server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::process::drop_privileges;
use crate::cli::stop::Stop;
use crate::config::{self, Environment};
use crate::disk::SystemDisk;
use crate::engine::{Background, BadLine, Engine, IngestError, IngestReport};
use crate::model::Metric;
use crate::telemetry::Telemetry;
use crate::time::SystemClock;

use super::error::ImportError;
use super::target::Stored;

/// Between two tries while memory is full.
const PAUSE: Duration = Duration::from_millis(500);
/// How long to wait for room.
const PATIENCE: Duration = Duration::from_secs(300);

/// An open checkpoint directory.
pub(super) struct Local {
    engine: Arc<Engine>,
    background: Background,
    stop: Stop,
}

impl Local {
    /// Opens the checkpoint directory of a config and reads what is in it.
    pub(super) fn open(config: &Path, stop: Stop) -> Result<Self, ImportError> {
        let config = config::load(config, &Environment::of_process())?;
        // As the server does: what root leaves there, the server could not write.
        drop_privileges(config.main.user.as_deref(), config.main.group.as_deref())
            .map_err(|error| ImportError::Setup(error.to_string()))?;
        let (disk, clock) = (Arc::new(SystemDisk), Arc::new(SystemClock));
        let telemetry = Arc::new(Telemetry::default());
        let engine = Engine::open(config.engine_options(), config.metric_table(), disk, clock, telemetry)?;
        let engine = Arc::new(engine);
        engine.recover()?;
        let background = Background::start(&engine).map_err(|error| ImportError::Setup(error.to_string()))?;
        Ok(Local { engine, background, stop })
    }

    pub(super) fn store(&mut self, cluster: &str, lines: &[u8]) -> Result<Stored, ImportError> {
        let begun = Instant::now();
        loop {
            if self.stop.is_asked() {
                return Err(ImportError::Stopped);
            }
            let mut report = IngestReport::default();
            match self.engine.ingest("import", cluster, lines, &mut report) {
                Ok(()) => {
                    let named = |lines: Vec<BadLine>| lines.into_iter().map(|bad| (bad.number, bad.reason)).collect();
                    return Ok(Stored {
                        stored: report.stored,
                        skipped: report.skipped,
                        bad: report.bad,
                        first_bad: named(report.first_bad),
                        first_refused: named(report.first_refused),
                    });
                }
                // A cleanup or the archive makes room. What of the piece is stored already comes to lie on itself.
                Err(IngestError::Busy(_)) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(error) => {
                    let waited_secs = begun.elapsed().as_secs();
                    return Err(ImportError::Busy { waited_secs, reason: error.to_string() });
                }
            }
        }
    }

    pub(super) fn metrics(&self) -> Vec<Metric> {
        self.engine.store().metrics().iter().map(|(_, metric)| metric.clone()).collect()
    }

    pub(super) fn finish(self) -> Result<Vec<(String, u64)>, ImportError> {
        self.background.stop();
        let report = self.engine.checkpoint();
        if report.failed > 0 {
            // Flushes the logs, and tries again.
            self.engine.close();
            return Err(ImportError::Checkpoint(report.failed));
        }
        Ok(skipped_by_reason(&self.engine.telemetry().encode()))
    }
}

/// Why samples were not stored, from the text of the own metrics.
fn skipped_by_reason(text: &str) -> Vec<(String, u64)> {
    let counts = text.lines().filter_map(|line| {
        let (reason, count) = line.strip_prefix(DROPPED)?.split_once("\"} ")?;
        Some((reason.to_owned(), count.parse().ok()?))
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

const DROPPED: &str = "treering_dropped_total{reason=\"";
