//! Binary snapshots, `<from>.bin`.
//!
//! The form has no checksum, so the reader checks all that can be checked: counts against the bytes that remain,
//! frequencies, starts, and that the tree ends where the file ends.

use std::io::{Read, Write};

use super::bytes::Source;
use super::error::{CcmsError, fits};
use super::tree::{DEPTH_MAX, Level, PIECE_SLOTS, Span, Visitor, check_head, narrow, slot};

/// The first bytes of every binary snapshot.
pub(super) const MAGIC: [u8; 4] = 0xCC5B_0001_u32.to_le_bytes();

const NAME_BYTES_MAX: usize = u16::MAX as usize;
const COUNT_MAX: usize = u32::MAX as usize;
const SLOT_BYTES: u64 = 4;
/// A series without a name and slots: two lengths, frequency and start.
const SERIES_BYTES_MIN: u64 = 2 + 8 + 8 + 4;
/// A child without a name, metrics and children.
const CHILD_BYTES_MIN: u64 = 2 + 4 + 4;

/// Writes a snapshot. Values are rounded to float32, numbers beyond its range to its largest; slots without one become
/// NaN. `target` gets many small writes: buffer it. Fails when it fails, and with [`CcmsError::DoesNotFit`] when names
/// or counts pass the format's limits (65535 bytes, 2^32 − 1) or levels lie deeper than [`DEPTH_MAX`].
pub fn write(target: &mut dyn Write, span: Span, host: &dyn Level) -> Result<(), CcmsError> {
    target.write_all(&MAGIC)?;
    target.write_all(&span.from_secs.to_le_bytes())?;
    target.write_all(&span.to_secs.to_le_bytes())?;
    write_level(target, host, 1, &mut Buffers::default())
}

/// Memory that all series of a file share.
#[derive(Default)]
struct Buffers {
    slots: Vec<f64>,
    bytes: Vec<u8>,
}

fn write_level(
    target: &mut dyn Write,
    level: &dyn Level,
    depth: usize,
    buffers: &mut Buffers,
) -> Result<(), CcmsError> {
    fits("a tree in levels", depth, DEPTH_MAX)?;
    write_count(target, "a level in metrics", level.metrics())?;
    for index in 0..level.metrics() {
        buffers.slots.clear();
        let head = level.metric(index, &mut buffers.slots);
        write_name(target, head.name)?;
        target.write_all(&i64::from(head.frequency_secs).to_le_bytes())?;
        target.write_all(&head.start_secs.to_le_bytes())?;
        write_count(target, "a series in slots", buffers.slots.len())?;
        for piece in buffers.slots.chunks(PIECE_SLOTS) {
            buffers.bytes.clear();
            for &value in piece {
                buffers.bytes.extend_from_slice(&narrow(value).to_le_bytes());
            }
            target.write_all(&buffers.bytes)?;
        }
    }
    write_count(target, "a level in children", level.children())?;
    for index in 0..level.children() {
        let (name, child) = level.child(index);
        write_name(target, name)?;
        write_level(target, child, depth + 1, buffers)?;
    }
    Ok(())
}

fn write_count(target: &mut dyn Write, what: &'static str, count: usize) -> Result<(), CcmsError> {
    fits(what, count, COUNT_MAX)?;
    Ok(target.write_all(&(count as u32).to_le_bytes())?)
}

fn write_name(target: &mut dyn Write, name: &str) -> Result<(), CcmsError> {
    fits("a name in bytes", name.len(), NAME_BYTES_MAX)?;
    target.write_all(&(name.len() as u16).to_le_bytes())?;
    Ok(target.write_all(name.as_bytes())?)
}

/// Reads a snapshot of `len` bytes. `source` gets many small reads: buffer it. The root of the file is the host: the
/// visitor stands in it from the beginning. Names that are no UTF-8 come with U+FFFD, as in cc-metric-store's JSON.
///
/// After an error the visitor has what came before it, and levels may still be open.
pub fn read(source: impl Read, len: u64, visitor: &mut dyn Visitor) -> Result<Span, CcmsError> {
    let mut source = Source::new(source, len);
    let mut magic = [0; MAGIC.len()];
    source.read(&mut magic, "the magic number")?;
    if magic != MAGIC {
        return Err(CcmsError::corrupt(0, format!("the file begins with {magic:02X?}, expected {MAGIC:02X?}")));
    }
    let span = Span { from_secs: source.i64("the time `from`")?, to_secs: source.i64("the time `to`")? };
    let mut pieces =
        Pieces { bytes: vec![0; PIECE_SLOTS * SLOT_BYTES as usize], slots: Vec::with_capacity(PIECE_SLOTS) };
    read_level(&mut source, visitor, 1, &mut pieces)?;
    if source.remaining() > 0 {
        let reason = format!("{} bytes behind the end of the tree", source.remaining());
        return Err(CcmsError::corrupt(source.offset(), reason));
    }
    Ok(span)
}

struct Pieces {
    bytes: Vec<u8>,
    slots: Vec<f64>,
}

fn read_level<R: Read>(
    source: &mut Source<R>,
    visitor: &mut dyn Visitor,
    depth: usize,
    pieces: &mut Pieces,
) -> Result<(), CcmsError> {
    if depth > DEPTH_MAX {
        return Err(CcmsError::corrupt(source.offset(), format!("more than {DEPTH_MAX} levels")));
    }
    let metrics = source.u32("the number of metrics")?;
    source.promise(u64::from(metrics), SERIES_BYTES_MIN, "the number of metrics")?;
    for _ in 0..metrics {
        visitor.at(source.offset());
        let name = read_name(source, "a metric's name")?;
        read_series(source, visitor, &name, pieces).map_err(|error| error.within(&name))?;
    }
    let children = source.u32("the number of children")?;
    source.promise(u64::from(children), CHILD_BYTES_MIN, "the number of children")?;
    for _ in 0..children {
        visitor.at(source.offset());
        let name = read_name(source, "a child's name")?;
        visitor.enter(&name);
        read_level(source, visitor, depth + 1, pieces).map_err(|error| error.within(&name))?;
        visitor.leave();
    }
    Ok(())
}

fn read_series<R: Read>(
    source: &mut Source<R>,
    visitor: &mut dyn Visitor,
    name: &str,
    pieces: &mut Pieces,
) -> Result<(), CcmsError> {
    let offset = source.offset();
    let frequency_secs = source.i64("a frequency")?;
    let mut start_secs = source.i64("a start")?;
    let slots = source.u32("the number of slots")?;
    source.promise(u64::from(slots), SLOT_BYTES, "the number of slots")?;
    let frequency_secs = check_head(frequency_secs, start_secs, u64::from(slots))
        .map_err(|reason| CcmsError::corrupt(offset, reason))?;
    let mut left = slots as usize;
    loop {
        let count = left.min(PIECE_SLOTS);
        let bytes = &mut pieces.bytes[..count * SLOT_BYTES as usize];
        source.read(bytes, "the slots of a series")?;
        let (values, _) = bytes.as_chunks::<{ SLOT_BYTES as usize }>();
        pieces.slots.clear();
        pieces.slots.extend(values.iter().map(|bytes| slot(f64::from(f32::from_le_bytes(*bytes)))));
        visitor.series(name, frequency_secs, start_secs, &pieces.slots);
        left -= count;
        if left == 0 {
            return Ok(());
        }
        // `check_head` proved that the end of the last piece does not overflow.
        start_secs += i64::from(frequency_secs) * count as i64;
    }
}

fn read_name<R: Read>(source: &mut Source<R>, what: &str) -> Result<String, CcmsError> {
    let len = source.u16(what)?;
    let mut bytes = vec![0; usize::from(len)];
    source.read(&mut bytes, what)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::testing::{Series, Tree, chain, tree};
    use super::*;
    use crate::model::{EMPTY, is_empty};
    use proptest::prelude::*;

    fn bytes(tree: &Tree) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, Span { from_secs: 1, to_secs: 2 }, tree).unwrap();
        bytes
    }

    fn read_tree(bytes: &[u8]) -> Result<Tree, CcmsError> {
        let mut tree = Tree::default();
        read(bytes, bytes.len() as u64, &mut tree).map(|_| tree)
    }

    /// A value as it is after a float32.
    fn narrowed(value: f64) -> f64 {
        if is_empty(value) { EMPTY } else { f64::from(narrow(value)) }
    }

    fn one(slots: Vec<f64>) -> Tree {
        let series = Series { name: "load".to_owned(), frequency_secs: 10, start_secs: 1_000, slots };
        Tree::new(Vec::new(), vec![("core1".to_owned(), Tree::new(vec![series], Vec::new()))])
    }

    #[test]
    fn long_series_come_in_pieces_and_whole() {
        for len in [0, 1, PIECE_SLOTS - 1, PIECE_SLOTS, PIECE_SLOTS + 1, 3 * PIECE_SLOTS] {
            let tree = one((0..len).map(|i| i as f64).collect());
            assert_eq!(read_tree(&bytes(&tree)).unwrap(), tree, "{len}");
        }
    }

    #[test]
    fn depth_is_limited_both_ways() {
        let deep = bytes(&chain(DEPTH_MAX));
        assert!(read_tree(&deep).is_ok());
        assert!(matches!(
            write(&mut Vec::new(), Span::default(), &chain(DEPTH_MAX + 1)),
            Err(CcmsError::DoesNotFit { .. })
        ));
        // One level more, built by hand: no metrics, one child named "a", and there the old tree.
        let mut deeper = deep[..20].to_vec();
        deeper.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, b'a']);
        deeper.extend_from_slice(&deep[20..]);
        let error = read_tree(&deeper).unwrap_err().to_string();
        assert!(error.ends_with("a/a\": more than 16 levels"), "{error}");
    }

    #[test]
    fn errors_name_the_place() {
        let sound = bytes(&one(vec![1.0; 3]));
        // 20 bytes of header, the host's counts, the child's name, its count and the metric's name.
        let head = 20 + 8 + 7 + 4 + 6;
        let with = |at: usize, change: &[u8]| {
            let mut bytes = sound.clone();
            bytes[at..at + change.len()].copy_from_slice(change);
            read_tree(&bytes).unwrap_err().to_string()
        };
        assert_eq!(
            with(head + 16, &u32::MAX.to_le_bytes()),
            "byte 65, \"core1/load\": the number of slots: 4294967295 × 4 bytes, but the file has only 16 more"
        );
        assert_eq!(
            with(head, &0i64.to_le_bytes()),
            "byte 45, \"core1/load\": a frequency of 0 s: expected 1 to 4294967295"
        );
        assert!(with(head + 8, &i64::MAX.to_le_bytes()).contains("too far from 1970"));
        assert_eq!(
            with(20, &9u32.to_le_bytes()),
            "byte 24, top level: the number of metrics: 9 × 22 bytes, but the file has only 57 more"
        );
        assert!(with(0, b"oops").contains("expected [01, 00, 5B, CC]"));
        let error = read_tree(&[&sound[..], b"x"].concat()).unwrap_err().to_string();
        assert!(error.ends_with("1 bytes behind the end of the tree"), "{error}");
    }

    /// A file that shrinks while it is read says so.
    #[test]
    fn a_source_shorter_than_its_length_is_an_error() {
        let sound = bytes(&one(vec![1.0; 3]));
        for len in 0..sound.len() {
            let result = read(&sound[..len], sound.len() as u64, &mut Tree::default());
            assert!(matches!(result, Err(CcmsError::Corrupt { .. })), "{len}");
            assert!(read_tree(&sound[..len]).is_err());
        }
    }

    proptest! {
        #[test]
        fn trees_come_back_as_float32(tree in tree()) {
            prop_assert_eq!(read_tree(&bytes(&tree)).unwrap(), tree.map(&narrowed));
        }

        #[test]
        fn changed_bytes_are_read_or_refused(
            tree in tree(),
            at in any::<prop::sample::Index>(),
            xor in 1u8..,
        ) {
            let mut bytes = bytes(&tree);
            let at = at.index(bytes.len());
            bytes[at] ^= xor;
            // Reads or errors; what is read is never more than the file can hold.
            if let Ok(tree) = read_tree(&bytes) {
                prop_assert!(slots(&tree) * 4 <= bytes.len());
            }
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_tree(&tail);
            let _ = read_tree(&[&MAGIC[..], &[0; 16], &tail].concat());
        }
    }

    fn slots(tree: &Tree) -> usize {
        let own: usize = tree.series.iter().map(|series| series.slots.len()).sum();
        own + tree.below.iter().map(|(_, tree)| slots(tree)).sum::<usize>()
    }
}
