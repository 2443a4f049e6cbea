//! The form of a histogram in answers of the HTTP API.

use super::float_histogram::FloatHistogram;
use super::number::json_number;

impl FloatHistogram {
    /// Appends `{"count":"…","sum":"…","buckets":[[boundaries,"lower","upper","count"],…]}`.
    ///
    /// Only populated buckets are listed; without any, `buckets` is left out. For `boundaries` see
    /// [`super::Bucket::boundaries`].
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let number = |out: &mut Vec<u8>, before: &str, number: f64| {
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(json_number(number).as_bytes());
            out.push(b'"');
        };
        number(out, "{\"count\":\"", self.count);
        number(out, ",\"sum\":\"", self.sum);
        let mut opening: &[u8] = b",\"buckets\":[[";
        for bucket in self.all_buckets().filter(|bucket| bucket.count != 0.0) {
            out.extend_from_slice(opening);
            opening = b",[";
            out.push(b'0' + bucket.boundaries());
            number(out, ",\"", bucket.lower);
            number(out, ",\"", bucket.upper);
            number(out, ",\"", bucket.count);
            out.push(b']');
        }
        out.extend_from_slice(if opening == b",[" { b"]}" } else { b"}" });
    }
}
