//! Series in the words of `prometheus.TimeSeries`, as remote read answers them; and the parts that 2.0 has too.

use super::super::protobuf::{put_bytes, to_zigzag};
use super::super::protobuf::{
    put_double, put_double_always, put_doubles, put_integer, put_integer_always, put_message,
};
use crate::model::Labels;
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram};

/// Appends a field for each label.
pub(super) fn put_labels(out: &mut Vec<u8>, field: u32, labels: &Labels) {
    for label in labels.iter() {
        put_message(out, field, |out| {
            put_bytes(out, 1, label.name.as_bytes());
            put_bytes(out, 2, label.value.as_bytes());
        });
    }
}

/// Appends a field with a float sample; its start only if it has one, for 1.0 knows none.
pub(crate) fn put_sample(out: &mut Vec<u8>, field: u32, time_ms: i64, start_ms: i64, value: f64) {
    put_message(out, field, |out| {
        put_double(out, 1, value);
        put_integer(out, 2, time_ms.cast_unsigned());
        put_integer(out, 3, start_ms.cast_unsigned());
    });
}

/// Appends a field with a histogram of float counts; its start only if it has one, for 1.0 knows none.
pub(crate) fn put_histogram(out: &mut Vec<u8>, field: u32, time_ms: i64, start_ms: i64, histogram: &FloatHistogram) {
    put_message(out, field, |out| {
        // Even a count of zero: its field says that the counts are floats.
        put_double_always(out, 2, histogram.count);
        put_double(out, 3, histogram.sum);
        put_integer(out, 4, to_zigzag(histogram.schema.into()));
        put_double(out, 5, histogram.zero_threshold);
        put_double_always(out, 7, histogram.zero_count);
        put_side(out, 8, 10, &histogram.negative);
        put_side(out, 11, 13, &histogram.positive);
        put_integer(
            out,
            14,
            match histogram.counter_reset_hint {
                CounterReset::Unknown => 0,
                CounterReset::Reset => 1,
                CounterReset::NotReset => 2,
                CounterReset::Gauge => 3,
            },
        );
        put_integer(out, 15, time_ms.cast_unsigned());
        put_doubles(out, 16, histogram.bounds());
        put_integer(out, 17, start_ms.cast_unsigned());
    });
}

fn put_side(out: &mut Vec<u8>, spans: u32, counts: u32, side: &Buckets) {
    for span in &side.spans {
        put_message(out, spans, |out| {
            put_integer(out, 1, to_zigzag(span.offset.into()));
            put_integer_always(out, 2, span.length.into());
        });
    }
    put_doubles(out, counts, &side.counts);
}
