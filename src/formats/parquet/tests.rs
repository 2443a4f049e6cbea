//! The writer and the reader against each other.

use std::io;
use std::sync::Arc;

use super::*;
use crate::disk::RandomRead;

/// A file in memory.
pub(super) struct Memory(pub(super) Vec<u8>);

impl RandomRead for Memory {
    fn file_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(buffer.len()).filter(|end| *end <= self.0.len());
        buffer.copy_from_slice(&self.0[start..end.ok_or(io::ErrorKind::UnexpectedEof)?]);
        Ok(())
    }
}

#[test]
fn what_is_written_is_read() {
    let mut writer = ArchiveWriter::begin(Vec::new(), "alex", &WriterOptions::default()).unwrap();
    let timestamps: Vec<i64> = (0..720).map(|slot| 1_700_000_000 + 60 * slot).collect();
    let values: Vec<f64> = (0..720).map(|slot| f64::from(slot % 7)).collect();
    for metric in ["clock", "flops"] {
        for id in ["0", "1"] {
            let rows = Rows {
                hostname: "a0603",
                metric,
                scope: "core",
                scope_id: id,
                parent: "",
                frequency_secs: 60,
                timestamps: &timestamps,
                values: &values,
            };
            writer.rows(&rows).unwrap();
        }
    }
    let (file, written) = writer.finish().unwrap();
    assert_eq!(written.rows, 4 * 720);
    let reader = ArchiveReader::open(Arc::new(Memory(file))).unwrap();
    assert_eq!(reader.metadata().cluster.as_deref(), Some("alex"));
    let batches: Vec<Batch> = reader.read(&Filter::default()).map(Result::unwrap).collect();
    assert_eq!(batches.len(), 4);
    assert!(batches.iter().all(|batch| batch.timestamps == timestamps && batch.values == values));
    let one = Filter { metric: Some("flops".to_owned()), ..Filter::default() };
    assert_eq!(reader.read(&one).map(Result::unwrap).count(), 2);
}
