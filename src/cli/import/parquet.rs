//! Parquet files of an archive as rows, host by host.

use std::path::Path;

use crate::cli::archive::line_key;
use crate::disk::{Disk, SystemDisk};
use crate::formats::parquet::{ArchiveReader, Filter};

use super::error::ImportError;
use super::importer::Importer;
use super::rows::HostRows;

/// Sends everything that a file holds. What was read before damage is stored.
pub(super) fn import(path: &Path, importer: &mut Importer<'_>) -> Result<(), ImportError> {
    let failed = |error: &dyn ToString| ImportError::input(path, error.to_string());
    let file = SystemDisk.open_random(path).map_err(|error| failed(&error))?;
    let bytes = file.file_bytes();
    let reader = ArchiveReader::open(file).map_err(|error| failed(&error))?;
    let bytes_per_row = bytes as f64 / reader.metadata().rows.max(1) as f64;
    let mut host = String::new();
    let mut rows = HostRows::default();
    let mut key = Vec::new();
    let mut gathered = 0u64;
    let mut outcome = Ok(());
    for batch in reader.read(&Filter::default()) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                outcome = Err(failed(&error));
                break;
            }
        };
        if batch.hostname != host || rows.is_full() {
            importer.host_rows(path, &mut rows)?;
            importer.advance((gathered as f64 * bytes_per_row) as u64);
            gathered = 0;
            host.clone_from(&batch.hostname);
        }
        key.clear();
        gathered += batch.timestamps.len() as u64;
        match importer.key(&line_key(&batch), &mut key) {
            true => rows.add(&key, batch.timestamps.iter().copied().zip(batch.values.iter().copied())),
            false => importer.note_unwritable(batch.timestamps.len() as u64),
        }
    }
    importer.host_rows(path, &mut rows)?;
    importer.advance((gathered as f64 * bytes_per_row) as u64);
    outcome
}
