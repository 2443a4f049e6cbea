//! A page of metrics as a scrape: series in their order, with types, help texts and the target's labels.

use std::collections::HashMap;
use std::sync::Arc;

use crate::formats::exposition::{
    ExpositionError, ExpositionOptions, ExpositionSample, ExpositionVisitor, MetadataPart, Syntax, parse_exposition,
};
use crate::formats::zstats::{Scrape, ScrapedSeries};
use crate::model::{Labels, MetricKind};

/// A page that was read.
#[derive(Debug)]
pub(super) struct Page {
    /// What is on it, without a generation.
    pub scrape: Scrape,
    /// Lines that cannot be used.
    pub refused: usize,
}

impl Page {
    /// Reads a page that was scraped at `time_ms`, milliseconds since 1970. A label of the page that the target has,
    /// too, is renamed.
    pub(super) fn read(body: &[u8], content_type: &str, target: &[(&str, &str)], time_ms: i64) -> Page {
        let options = ExpositionOptions { syntax: Syntax::of_content_type(content_type), created_is_start: false };
        let mut reader = Reader { target, time_ms, series: Vec::new(), families: HashMap::new(), refused: 0 };
        parse_exposition(body, &options, &mut reader);
        let Reader { mut series, families, refused, .. } = reader;
        for series in &mut series {
            if let Some(family) = family(&families, series.labels.metric_name()) {
                series.kind = Arc::from(family.kind.name());
                series.help = Arc::clone(&family.help);
            }
        }
        let target_labels = target.iter().map(|(name, _)| (*name).into()).collect();
        Page { scrape: Scrape { generation: 0, time_ms, target_labels, series }, refused }
    }
}

/// What a page says about a metric.
struct Family {
    kind: MetricKind,
    help: Arc<str>,
}

struct Reader<'t> {
    target: &'t [(&'t str, &'t str)],
    time_ms: i64,
    series: Vec<ScrapedSeries>,
    families: HashMap<String, Family>,
    refused: usize,
}

impl ExpositionVisitor for Reader<'_> {
    fn sample(&mut self, sample: ExpositionSample<'_>) {
        let is_target = |name: &str| self.target.iter().any(|(target, _)| *target == name);
        let own = sample.labels.iter().map(|(name, value)| {
            let name = if is_target(name) { format!("exported_{name}") } else { name.to_string() };
            (name, value.to_string())
        });
        let target = self.target.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.series.push(ScrapedSeries {
            labels: Labels::from_pairs(own.chain(target)),
            kind: Arc::from(MetricKind::default().name()),
            help: Arc::from(""),
            time_ms: sample.time_ms.unwrap_or(self.time_ms),
            value: sample.value,
        });
    }

    fn metadata(&mut self, metric: &str, part: MetadataPart<'_>) {
        let family = self
            .families
            .entry(metric.to_owned())
            .or_insert_with(|| Family { kind: MetricKind::default(), help: Arc::from("") });
        match part {
            MetadataPart::Help(help) => family.help = Arc::from(help),
            MetadataPart::Kind(kind) => family.kind = kind,
            MetadataPart::Unit(_) => {}
        }
    }

    fn refused(&mut self, _line: usize, _error: ExpositionError) {
        self.refused += 1;
    }
}

/// What is said about the metric that a series is part of: histograms have series with other names, and so have the
/// counters of OpenMetrics.
fn family<'f>(families: &'f HashMap<String, Family>, name: &str) -> Option<&'f Family> {
    let suffixes = ["_bucket", "_sum", "_count", "_total", "_created", "_info"];
    families.get(name).or_else(|| families.get(suffixes.iter().find_map(|suffix| name.strip_suffix(suffix))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_scrapes() {
        let body = b"# HELP up Whether.\n# TYPE up gauge\nup 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 2 500\n\
            h_count{job=\"own\"} 3\nbad line here\nbare 4\n";
        let page = Page::read(body, "text/plain", &[("instance", "a:1"), ("job", "j")], 1000);
        assert_eq!(page.refused, 1);
        assert_eq!(page.scrape.target_labels, ["instance".into(), "job".into()]);
        let shown = |series: &ScrapedSeries| {
            format!("{} {} {:?} {} {}", series.labels, series.kind, series.help, series.time_ms, series.value)
        };
        assert_eq!(
            page.scrape.series.iter().map(shown).collect::<Vec<_>>(),
            [
                r#"{__name__="up", instance="a:1", job="j"} gauge "Whether." 1000 1"#,
                r#"{__name__="h_bucket", instance="a:1", job="j", le="1.0"} histogram "" 500 2"#,
                r#"{__name__="h_count", exported_job="own", instance="a:1", job="j"} histogram "" 1000 3"#,
                r#"{__name__="bare", instance="a:1", job="j"} unknown "" 1000 4"#,
            ]
        );
        let body = b"# TYPE requests counter\nrequests_total 1\n# EOF\n";
        let page = Page::read(body, "application/openmetrics-text; version=1.0.0", &[], 1);
        assert_eq!((&*page.scrape.series[0].kind, page.refused), ("counter", 0));
    }
}
