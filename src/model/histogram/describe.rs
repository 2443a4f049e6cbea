//! Writing a histogram as test scripts describe it; [`super::description`] reads it back.

use super::buckets::Buckets;
use super::float_histogram::FloatHistogram;
use super::number::general_text;
use super::reset::CounterReset;

impl FloatHistogram {
    /// `{{schema:1 count:3 sum:4.5 z_bucket:1 z_bucket_w:0.001 buckets:[2]}}`: what is not zero, in this order.
    ///
    /// The form has one run of buckets a side: gaps are filled with zeros, as far as they are shorter than 65,536.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        let mut compacted = self.clone();
        compacted.compact(GAP_MAX);
        let mut number = |name: &str, number: f64| {
            if number != 0.0 {
                parts.push(format!("{name}:{}", general_text(number)));
            }
        };
        if self.schema != 0 {
            number("schema", f64::from(self.schema));
        }
        number("count", self.count);
        number("sum", self.sum);
        number("z_bucket", self.zero_count);
        number("z_bucket_w", self.zero_threshold);
        if self.uses_custom_buckets() {
            parts.push(format!("custom_values:{}", list(self.bounds())));
        }
        match self.counter_reset_hint {
            CounterReset::Unknown => {}
            CounterReset::Reset => parts.push("counter_reset_hint:reset".to_owned()),
            CounterReset::NotReset => parts.push("counter_reset_hint:not_reset".to_owned()),
            CounterReset::Gauge => parts.push("counter_reset_hint:gauge".to_owned()),
        }
        let sides = [(&compacted.positive, "buckets", "offset"), (&compacted.negative, "n_buckets", "n_offset")];
        for (Buckets { spans, counts }, buckets, offset) in sides {
            if let Some(first) = spans.first().filter(|first| first.offset != 0) {
                parts.push(format!("{offset}:{}", first.offset));
            }
            if !counts.is_empty() {
                parts.push(format!("{buckets}:{}", list(counts)));
            }
        }
        format!("{{{{{}}}}}", parts.join(" "))
    }
}

fn list(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().copied().map(general_text).collect();
    format!("[{}]", numbers.join(" "))
}

/// Longer gaps between buckets are not filled with zeros.
const GAP_MAX: usize = 65_535;
