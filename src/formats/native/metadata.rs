//! What metrics are, as bytes: the same in a record and in a snapshot's section.

use super::NativeError;
use super::bytes::{Cursor, put_text, put_varint};
use crate::model::{Metadata, MetricKind};

/// Appends what these metrics are.
pub(super) fn encode<'m>(out: &mut Vec<u8>, metrics: impl ExactSizeIterator<Item = (&'m str, &'m Metadata)>) {
    put_varint(out, metrics.len() as u64);
    for (name, Metadata { kind, help, unit }) in metrics {
        put_text(out, name);
        out.push(code(*kind));
        put_text(out, help);
        put_text(out, unit);
    }
}

/// Reads to the end.
pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Vec<(Box<str>, Metadata)>, NativeError> {
    let count = cursor.varint("a number of metrics")?;
    let count = usize::try_from(count).ok().filter(|&count| count <= cursor.rest().len() / METRIC_BYTES_MIN);
    let count = count.ok_or_else(|| cursor.malformed("a possible number of metrics"))?;
    let mut metrics = Vec::with_capacity(count);
    for _ in 0..count {
        let name = cursor.text("a metric's name")?;
        let malformed = cursor.malformed("a metric's type");
        let kind = cursor.u8("a metric's type")?;
        let kind = *MetricKind::ALL.get(usize::from(kind)).ok_or(malformed)?;
        let (help, unit) = (cursor.text("a help text")?, cursor.text("a unit")?);
        metrics.push((name.into(), Metadata { kind, help: help.into(), unit: unit.into() }));
    }
    cursor.finish()?;
    Ok(metrics)
}

/// The position in [`MetricKind::ALL`].
fn code(kind: MetricKind) -> u8 {
    match kind {
        MetricKind::Unknown => 0,
        MetricKind::Counter => 1,
        MetricKind::Gauge => 2,
        MetricKind::Histogram => 3,
        MetricKind::GaugeHistogram => 4,
        MetricKind::Summary => 5,
        MetricKind::Info => 6,
        MetricKind::StateSet => 7,
    }
}

/// Empty texts and a type.
const METRIC_BYTES_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_type_keeps_its_number() {
        for (number, kind) in (0..).zip(MetricKind::ALL) {
            assert_eq!(code(kind), number, "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn metrics_come_back(
            metrics in prop::collection::vec(("[a-z_é]{0,9}", 0..8usize, "[a-zé ]{0,20}", "[a-z]{0,5}"), 0..9),
        ) {
            let metadata = |(name, kind, help, unit): (String, usize, String, String)| {
                let kind = MetricKind::ALL[kind];
                (Box::from(&*name), Metadata { kind, help: help.into(), unit: unit.into() })
            };
            let metrics: Vec<(Box<str>, Metadata)> = metrics.into_iter().map(metadata).collect();
            let mut out = Vec::new();
            encode(&mut out, metrics.iter().map(|(name, metadata)| (&**name, metadata)));
            prop_assert_eq!(decode(&mut Cursor::new(&out)).unwrap(), metrics);
            for len in 0..out.len() {
                prop_assert!(decode(&mut Cursor::new(&out[..len])).is_err(), "{} bytes", len);
            }
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&mut Cursor::new(&bytes));
        }
    }
}
