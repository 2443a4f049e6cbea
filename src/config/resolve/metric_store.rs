//! The section `metric-store`: the engine's options.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::config::file::{CleanupSetting, LimitsSection, MetricStoreSection};
use crate::engine::{ArchiveOptions, CleanupMode, Options};
use crate::store::Limits;

use super::{Notes, path_of, text_of};

const CHECKPOINTS_DEFAULT: &str = "./var/checkpoints";
/// A number in `memory-cap` counts these, as in cc-metric-store.
const GIGABYTE: f64 = 1e9;
const WORKERS_MAX: usize = 10;

pub(super) fn resolve(section: &MetricStoreSection, notes: &mut Notes) -> Options {
    let second = Duration::from_secs(1);
    let checkpoints = path_of(&section.checkpoints.directory).unwrap_or_else(|| CHECKPOINTS_DEFAULT.into());
    let debug = &section.debug;
    if debug.gops == Some(true) || text_of(&debug.dump_to_file).is_some() {
        notes.warn("/metric-store/debug", "has no effect");
    }
    let cleanup = cleanup(section, &checkpoints, notes);
    let default = Options::new(checkpoints);
    Options {
        format: section.checkpoints.file_format.map_or(default.format, Into::into),
        checkpoint_interval: notes.duration(
            "/metric-store/checkpoint-interval",
            &section.checkpoint_interval,
            default.checkpoint_interval,
            second,
        ),
        wal_sync: section.wal_sync.map_or(default.wal_sync, Into::into),
        wal_bytes_max: section.checkpoints.max_wal_size.unwrap_or(default.wal_bytes_max),
        retention: notes.duration(
            "/metric-store/retention-in-memory",
            &section.retention_in_memory,
            default.retention,
            second,
        ),
        memory_bytes_max: notes.bytes("/metric-store/memory-cap", &section.memory_cap, GIGABYTE, 0),
        workers: workers(section.num_workers),
        cleanup,
        future_tolerance: notes.duration(
            "/metric-store/future-tolerance",
            &section.future_tolerance,
            default.future_tolerance,
            Duration::ZERO,
        ),
        limits: limits(&section.limits, default.limits),
        checkpoints: default.checkpoints,
    }
}

/// Zero and less mean a number by the machine's size, the same as in cc-metric-store.
fn workers(setting: Option<i64>) -> usize {
    match usize::try_from(setting.unwrap_or(0)) {
        Ok(workers) if workers > 0 => workers,
        _ => {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            (processors / 2 + 1).min(WORKERS_MAX)
        }
    }
}

fn cleanup(section: &MetricStoreSection, checkpoints: &Path, notes: &mut Notes) -> CleanupMode {
    const POINTER: &str = "/metric-store/cleanup/directory";
    if section.cleanup.mode != Some(CleanupSetting::Archive) {
        return CleanupMode::Delete;
    }
    let Some(directory) = path_of(&section.cleanup.directory) else {
        notes.missing(POINTER, "a folder, as /metric-store/cleanup/mode is \"archive\"");
        return CleanupMode::Delete;
    };
    // Every folder in the checkpoint directory is a cluster to cc-metric-store, and to the adoption of its files.
    if normal(&directory).starts_with(normal(checkpoints)) {
        let expected = "a folder outside of /metric-store/checkpoints/directory";
        notes.wrong(POINTER, &directory.to_string_lossy(), expected);
    }
    const MAX_AGE: &str = "/metric-store/cleanup/max-age";
    let default = ArchiveOptions::new(directory);
    let max_age = notes.duration(MAX_AGE, &section.cleanup.max_age, Duration::ZERO, Duration::from_secs(1));
    CleanupMode::Archive(ArchiveOptions {
        compression_level: section.cleanup.compression_level.unwrap_or(default.compression_level),
        value: section.cleanup.value_type.map_or(default.value, Into::into),
        split_bytes: section.cleanup.split_bytes.unwrap_or(default.split_bytes),
        partition: section.cleanup.partition_by.map_or(default.partition, Into::into),
        max_age: (max_age > Duration::ZERO).then_some(max_age),
        bytes_max: notes.bytes("/metric-store/cleanup/max-size", &section.cleanup.max_size, 1.0, 0),
        ..default
    })
}

/// A path without `.`, so that `./var` and `var` are the same.
fn normal(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

fn limits(section: &LimitsSection, default: Limits) -> Limits {
    Limits {
        hosts_max: section.hosts.unwrap_or(default.hosts_max),
        components_per_host_max: section.components_per_host.unwrap_or(default.components_per_host_max),
        series_per_host_max: section.series_per_host.unwrap_or(default.series_per_host_max),
        name_bytes_max: section.name_bytes.unwrap_or(default.name_bytes_max),
        stamped_per_host_max: section.stamped_per_host.unwrap_or(default.stamped_per_host_max),
        stamped_max: section.stamped.unwrap_or(default.stamped_max),
        labels_per_series_max: section.labels_per_series.unwrap_or(default.labels_per_series_max),
        label_name_bytes_max: section.label_name_bytes.unwrap_or(default.label_name_bytes_max),
        label_value_bytes_max: section.label_value_bytes.unwrap_or(default.label_value_bytes_max),
        exemplars_per_series_max: section.exemplars_per_series.unwrap_or(default.exemplars_per_series_max),
        metadata_max: section.metadata.unwrap_or(default.metadata_max),
    }
}
