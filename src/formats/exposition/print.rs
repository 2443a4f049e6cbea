//! Writes Prometheus's text format, byte by byte as Prometheus's own exporter library does, but for colons in labels'
//! names.

use super::escaping::{Escaping, is_old_name};
use crate::model::histogram::{FloatHistogram, general_text};
use crate::model::{BUCKET_LABEL, METRIC_NAME, MetricKind, is_plain_name};

/// Writes families of metrics: their comments, then their samples.
#[derive(Debug)]
pub struct TextPrinter<'o> {
    out: &'o mut String,
    escaping: Escaping,
}

impl<'o> TextPrinter<'o> {
    /// A printer that appends to `out`.
    pub fn new(out: &'o mut String, escaping: Escaping) -> TextPrinter<'o> {
        TextPrinter { out, escaping }
    }

    /// The `Content-Type` of what is written.
    pub fn content_type(escaping: Escaping) -> String {
        format!("text/plain; version=0.0.4; charset=utf-8; escaping={}", escaping.parameter())
    }

    /// The comments of a family; types that the format does not know are `untyped`.
    pub fn family(&mut self, metric: &str, help: Option<&str>, kind: MetricKind) {
        let metric = self.escaping.escape(metric);
        if let Some(help) = help {
            self.out.push_str("# HELP ");
            self.put_name(&metric);
            self.out.push(' ');
            self.put_escaped(help, false);
            self.out.push('\n');
        }
        self.out.push_str("# TYPE ");
        self.put_name(&metric);
        self.out.push(' ');
        self.out.push_str(match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Summary => "summary",
            MetricKind::Histogram | MetricKind::GaugeHistogram => "histogram",
            MetricKind::Unknown | MetricKind::Info | MetricKind::StateSet => "untyped",
        });
        self.out.push('\n');
    }

    /// A sample. Labels are printed in the order given, a metric's name among them is passed over.
    pub fn sample<'l>(
        &mut self,
        metric: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: f64,
        time_ms: Option<i64>,
    ) {
        let metric = self.escaping.escape(metric);
        self.put_sample(&metric, labels, None, value, time_ms);
    }

    /// A histogram as a classic one: a line for each bound, the sum, the count. With exponential buckets, which the
    /// format cannot express, nothing is written.
    pub fn classic_histogram<'l>(
        &mut self,
        metric: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)> + Clone,
        histogram: &FloatHistogram,
        time_ms: Option<i64>,
    ) {
        if !histogram.uses_custom_buckets() {
            return;
        }
        let metric = self.escaping.escape(metric);
        let bucket = format!("{metric}_bucket");
        let mut counts = histogram.positive.indexed().peekable();
        let mut cumulative = 0.0;
        for (at, &bound) in histogram.bounds().iter().enumerate() {
            while let Some((_, count)) = counts.next_if(|&(index, _)| usize::try_from(index).is_ok_and(|i| i <= at)) {
                cumulative += count;
            }
            self.put_sample(&bucket, labels.clone(), Some(bound), cumulative, time_ms);
        }
        self.put_sample(&bucket, labels.clone(), Some(f64::INFINITY), histogram.count, time_ms);
        self.put_sample(&format!("{metric}_sum"), labels.clone(), None, histogram.sum, time_ms);
        self.put_sample(&format!("{metric}_count"), labels, None, histogram.count, time_ms);
    }

    fn put_sample<'l>(
        &mut self,
        metric: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        bound: Option<f64>,
        value: f64,
        time_ms: Option<i64>,
    ) {
        let quoted = !is_old_name(metric);
        if quoted {
            self.out.push('{');
        }
        self.put_name(metric);
        let mut open = quoted;
        for (name, text) in labels.into_iter().filter(|&(name, _)| name != METRIC_NAME) {
            self.out.push(if open { ',' } else { '{' });
            open = true;
            let name = self.escaping.escape(name);
            self.put_label_name(&name);
            self.out.push_str("=\"");
            self.put_escaped(text, true);
            self.out.push('"');
        }
        if let Some(bound) = bound {
            self.out.push(if open { ',' } else { '{' });
            open = true;
            self.out.push_str(BUCKET_LABEL);
            self.out.push_str("=\"");
            self.put_float(bound);
            self.out.push('"');
        }
        if open {
            self.out.push('}');
        }
        self.out.push(' ');
        self.put_float(value);
        if let Some(time_ms) = time_ms {
            self.out.push(' ');
            self.out.push_str(itoa::Buffer::new().format(time_ms));
        }
        self.out.push('\n');
    }

    fn put_name(&mut self, name: &str) {
        if is_old_name(name) {
            self.out.push_str(name);
        } else {
            self.put_quoted(name);
        }
    }

    /// Colons in a label's name need quotes: without them no reader takes the line, Prometheus's own neither.
    fn put_label_name(&mut self, name: &str) {
        if is_plain_name(name) {
            self.out.push_str(name);
        } else {
            self.put_quoted(name);
        }
    }

    fn put_quoted(&mut self, text: &str) {
        self.out.push('"');
        self.put_escaped(text, true);
        self.out.push('"');
    }

    fn put_escaped(&mut self, text: &str, quotes: bool) {
        for character in text.chars() {
            match character {
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '"' if quotes => self.out.push_str("\\\""),
                other => self.out.push(other),
            }
        }
    }

    fn put_float(&mut self, number: f64) {
        if number == 0.0 {
            self.out.push('0');
        } else {
            self.out.push_str(&general_text(number));
        }
    }
}
