//! Records of `current.wal`: their bytes, and nothing about files.
//!
//! Invariant: what [`encode`] accepts, [`parse`] gives back, its value rounded to float32.

use super::error::{CcmsError, fits};
use super::tree::{narrow, slot};

/// The first bytes of every log.
pub const WAL_HEADER: [u8; 4] = 0xCC1D_A701_u32.to_le_bytes();

/// The first bytes of every record.
pub(super) const RECORD_MAGIC: [u8; 4] = 0xCC1D_A7A1_u32.to_le_bytes();

/// cc-metric-store stops reading a log at a record with a longer payload.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Magic and length in front of the payload.
pub(super) const HEAD_BYTES: usize = 8;
/// The CRC behind it.
pub(super) const CRC_BYTES: usize = 4;

const METRIC_BYTES_MAX: usize = u16::MAX as usize;
const ELEMENTS_MAX: usize = u8::MAX as usize;
const ELEMENT_BYTES_MAX: usize = u8::MAX as usize;
const PAYLOAD_BYTES_MIN: usize = 8 + 2 + 1 + 4;
/// The longest payload that the fields can make up.
const PAYLOAD_BYTES_LONGEST: usize = PAYLOAD_BYTES_MIN + METRIC_BYTES_MAX + ELEMENTS_MAX * (1 + ELEMENT_BYTES_MAX);

// So a record whose fields fit needs no further check.
const _: () = assert!(PAYLOAD_BYTES_LONGEST <= PAYLOAD_BYTES_MAX);

/// One sample of one series of the host whose folder holds the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Seconds since 1970; any number, for the log of another program is not to be trusted.
    pub secs: i64,
    /// The metric's name. Bytes that are no UTF-8 come as U+FFFD, as in cc-metric-store's JSON.
    pub metric: String,
    /// The joined names of the components below the host, outermost first.
    pub selector: Vec<String>,
    /// The value, widened from float32; [`crate::model::EMPTY`] for NaN, by which cc-metric-store empties a slot.
    pub value: f64,
}

/// Appends a record to `out`.
///
/// The value is rounded to float32, a number beyond its range to its largest; every NaN becomes one NaN. Fails with
/// [`CcmsError::DoesNotFit`] and leaves `out` as it was when the metric has more than 65535 bytes, or the selector more
/// than 255 elements or an element of more than 255 bytes.
pub fn encode(out: &mut Vec<u8>, secs: i64, metric: &str, selector: &[&str], value: f64) -> Result<(), CcmsError> {
    fits("a metric's name in bytes", metric.len(), METRIC_BYTES_MAX)?;
    fits("a selector in elements", selector.len(), ELEMENTS_MAX)?;
    for element in selector {
        fits("a selector's element in bytes", element.len(), ELEMENT_BYTES_MAX)?;
    }
    let payload_len =
        PAYLOAD_BYTES_MIN + metric.len() + selector.iter().map(|element| 1 + element.len()).sum::<usize>();
    out.reserve(HEAD_BYTES + payload_len + CRC_BYTES);
    out.extend_from_slice(&RECORD_MAGIC);
    // The lengths were checked above, so none of the casts below cuts.
    out.extend_from_slice(&(payload_len as u32).to_le_bytes());
    let payload_at = out.len();
    out.extend_from_slice(&secs.to_le_bytes());
    out.extend_from_slice(&(metric.len() as u16).to_le_bytes());
    out.extend_from_slice(metric.as_bytes());
    out.push(selector.len() as u8);
    for element in selector {
        out.push(element.len() as u8);
        out.extend_from_slice(element.as_bytes());
    }
    out.extend_from_slice(&narrow(value).to_le_bytes());
    let crc = crc32fast::hash(&out[payload_at..]);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Whether the fields of a payload add up to its length. Cheap, and done before the CRC: a search through garbage
/// would otherwise sum up a payload for every magic in it.
pub(super) fn is_whole(payload: &[u8]) -> bool {
    fields(payload).is_some()
}

/// Takes a payload apart into `record`, whose memory is used again. `None` when the fields do not add up to the
/// payload's length; `record` is then as before.
pub(super) fn parse(payload: &[u8], record: &mut Record) -> Option<()> {
    let fields = fields(payload)?;
    record.secs = fields.secs;
    replace_lossy(&mut record.metric, fields.metric);
    record.selector.resize_with(usize::from(fields.elements), String::new);
    let mut rest = fields.selector;
    for element in &mut record.selector {
        let (name, behind) = take_element(rest)?;
        replace_lossy(element, name);
        rest = behind;
    }
    record.value = slot(f64::from(fields.value));
    Some(())
}

struct Fields<'a> {
    secs: i64,
    metric: &'a [u8],
    elements: u8,
    /// Length-prefixed names, as many as `elements` says.
    selector: &'a [u8],
    value: f32,
}

fn fields(payload: &[u8]) -> Option<Fields<'_>> {
    let (secs, rest) = payload.split_first_chunk::<8>()?;
    let (metric_len, rest) = rest.split_first_chunk::<2>()?;
    let (metric, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*metric_len)))?;
    let (&elements, rest) = rest.split_first()?;
    let (selector, value) = rest.split_last_chunk::<4>()?;
    let mut left = selector;
    for _ in 0..elements {
        left = take_element(left)?.1;
    }
    left.is_empty().then_some(Fields {
        secs: i64::from_le_bytes(*secs),
        metric,
        elements,
        selector,
        value: f32::from_bits(u32::from_le_bytes(*value)),
    })
}

fn take_element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(len))
}

fn replace_lossy(target: &mut String, bytes: &[u8]) {
    target.clear();
    match std::str::from_utf8(bytes) {
        Ok(text) => target.push_str(text),
        Err(_) => target.push_str(&String::from_utf8_lossy(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EMPTY, is_empty};
    use proptest::prelude::*;

    fn payload(record: &[u8]) -> &[u8] {
        &record[HEAD_BYTES..record.len() - CRC_BYTES]
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_the_buffer_alone() {
        let long = "x".repeat(70_000);
        let mut out = vec![1, 2, 3];
        let many = vec!["a"; 256];
        assert!(encode(&mut out, 0, &long, &[], 1.0).is_err());
        assert!(encode(&mut out, 0, "m", &many, 1.0).is_err());
        let error = encode(&mut out, 0, "m", &["a", &long[..256]], 1.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a selector's element in bytes of 256 does not fit: the format holds at most 255"
        );
        assert_eq!(out, [1, 2, 3]);
        encode(&mut out, 0, &long[..65535], &vec![&long[..255]; 255], 1.0).unwrap();
        assert_eq!(payload(&out[3..]).len(), PAYLOAD_BYTES_LONGEST);
    }

    #[test]
    fn values_are_float32() {
        for (value, expected) in [
            (0.1, f64::from(0.1f32)),
            (1e300, f64::from(f32::MAX)),
            (-1e300, f64::from(f32::MIN)),
            (f64::NEG_INFINITY, f64::NEG_INFINITY),
            (1e-300, 0.0),
            (EMPTY, EMPTY),
            (-f64::NAN, EMPTY),
        ] {
            let mut out = Vec::new();
            encode(&mut out, 0, "m", &[], value).unwrap();
            let mut record = Record::default();
            parse(payload(&out), &mut record).unwrap();
            assert_eq!(record.value.to_bits(), expected.to_bits(), "{value}");
        }
    }

    #[test]
    fn names_that_are_no_utf8_come_through_marked() {
        let mut out = Vec::new();
        encode(&mut out, 0, "m?", &["s?"], 1.0).unwrap();
        let mut bytes = payload(&out).to_vec();
        bytes.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xFF);
        let mut record = Record::default();
        parse(&bytes, &mut record).unwrap();
        assert_eq!((&*record.metric, &*record.selector[0]), ("m\u{FFFD}", "s\u{FFFD}"));
    }

    proptest! {
        #[test]
        fn records_come_back(
            secs in any::<i64>(),
            metric in "\\PC{0,40}",
            selector in proptest::collection::vec("\\PC{0,20}", 0..5),
            value in any::<f32>(),
        ) {
            let elements: Vec<&str> = selector.iter().map(String::as_str).collect();
            let mut out = Vec::new();
            encode(&mut out, secs, &metric, &elements, f64::from(value)).unwrap();
            let mut record = Record { selector: vec!["old".to_owned(); 3], ..Record::default() };
            parse(payload(&out), &mut record).unwrap();
            prop_assert_eq!((record.secs, record.metric, record.selector), (secs, metric, selector));
            let same = if value.is_nan() { is_empty(record.value) } else { record.value == f64::from(value) };
            prop_assert!(same, "{}", record.value);
        }

        #[test]
        fn arbitrary_payloads_do_not_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut record = Record::default();
            prop_assert_eq!(parse(&payload, &mut record).is_some(), is_whole(&payload));
        }
    }
}
