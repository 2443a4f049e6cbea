//! Damaged and hostile files: errors, or what they say, but no panic and no memory.

use super::*;

/// A small file with every kind of page.
fn small() -> Vec<u8> {
    let mut random = Random::new(3);
    let mut all = Vec::new();
    for metric in ["clock", "load"] {
        for id in ["0", "1"] {
            let noise = (0..40).map(|slot| if metric == "clock" { random.unit() } else { f64::from(slot % 3) });
            all.push(Series {
                parent: if id == "0" { "socket0" } else { "" }.to_owned(),
                ..Series::new("a0101", metric, id, noise.collect::<Vec<_>>())
            });
        }
    }
    write(&all, &WriterOptions { has_parents: true, ..WriterOptions::default() }).0
}

/// Reads everything, and one host and time by way of the indices. That it returns is what is tested.
fn read_both(bytes: Vec<u8>) -> bool {
    let file = Memory::new(bytes);
    let filter =
        Filter { from_secs: START, to_secs: START + 600, host: Some("a0101".to_owned()), metric: Some("load".into()) };
    let (all, some) = (read(file.clone(), &Filter::default()), read(file, &filter));
    all.is_ok() && some.is_ok()
}

#[test]
fn any_damaged_byte_is_survived() {
    let sound = small();
    assert!(read_both(sound.clone()));
    let mut errors = 0;
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
        errors += usize::from(!read_both(damaged));
    }
    // Zstandard frames and the footer's structure catch most of it; there is no checksum over all.
    assert!(errors > sound.len() / 3, "{errors} errors in {} bytes", sound.len());
}

#[test]
fn any_cut_is_an_error() {
    let sound = small();
    for len in 0..sound.len() {
        assert!(!read_both(sound[..len].to_vec()), "{len} of {} bytes", sound.len());
    }
}

#[test]
fn noise_is_an_error() {
    let mut random = Random::new(4);
    for len in [0, 1, 8, 12, 100, 5000] {
        let mut bytes: Vec<u8> = (0..len).map(|_| (random.unit() * 256.0) as u8).collect();
        assert!(!read_both(bytes.clone()));
        // A footer that is noise.
        bytes.extend_from_slice(&(len as u32).to_le_bytes());
        bytes.extend_from_slice(b"PAR1");
        assert!(!read_both(bytes), "{len}");
    }
}

#[test]
fn a_page_that_claims_to_be_huge_is_refused() {
    // Without a check the library allocates what a page's header claims, 2 GiB at most.
    let sound = small();
    // A page header opens with its type and its size as Thrift has them: 15 type 15 size.
    let mut header = vec![0x15, 0x00, 0x15];
    let mut size = (1_u64 << 30) << 1;
    while size >= 0x80 {
        header.push(size as u8 | 0x80);
        size >>= 7;
    }
    header.push(size as u8);
    let at = sound.windows(2).position(|pair| pair == [0x15, 0x00] || pair == [0x15, 0x04]).unwrap();
    let mut damaged = sound;
    damaged[at..at + header.len()].copy_from_slice(&header);
    let error = read(Memory::new(damaged), &Filter::default()).unwrap_err();
    assert!(error.to_string().contains("expected 16777216 bytes at most"), "{error}");
}

#[test]
fn a_parquet_file_of_something_else_is_named() {
    use arrow::array::{Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    let column: arrow::array::ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([("cluster", column)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let error = ArchiveReader::open(Memory::new(writer.into_inner().unwrap())).err().unwrap();
    assert!(matches!(&error, ParquetError::NotAnArchive(_)));
    assert_eq!(error.to_string(), "not an archive: column \"cluster\" has the type INT64: expected [BYTE_ARRAY]");
}
