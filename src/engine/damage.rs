//! Saying what a recovery could not use: one line in the log with file and reason, one count by kind.

use std::fmt::Display;
use std::path::Path;

use crate::telemetry::{Reason, Telemetry};

/// Notes that a file, or a part of it, can't be used.
pub(super) fn note(telemetry: &Telemetry, reason: &'static str, path: &Path, what: &dyn Display) {
    tracing::warn!("{}: {what}", path.display());
    telemetry.recovery_damage.get_or_create(&Reason { reason }).inc();
}
