//! One series of a remote write body, as a receiver sees it.

use super::super::protobuf::Fields;
use super::error::SeriesError;
use super::exemplar::{ExemplarError, read_exemplar};
use super::labels::{sorted_valid, text_of};
use super::limits::WriteLimits;
use super::sample::{FloatSample, HistogramSample};
use super::symbols::Symbols;
use super::visit::{Counts, MetadataRef};
use super::write_1::label_of;
use crate::model::{Exemplar, Labels};

/// A series with everything that the body holds for it. `'a` is the body's life.
///
/// Its structure was checked, its labels were not looked at yet.
pub struct Series<'a, 's> {
    pub(super) parts: &'s mut Parts<'a>,
    pub(super) symbols: Option<&'s Symbols<'a>>,
    pub(super) limits: &'s WriteLimits,
    pub(super) metadata: Option<MetadataRef<'a>>,
    pub(super) expected: bool,
}

impl<'a> Series<'a, '_> {
    /// Bytes that are equal only for equal labels, for looking up what an earlier body taught. The same labels may have
    /// several keys, of which a sender uses one.
    ///
    /// In 1.0 these are the label fields as they stand in the body; in 2.0, where references mean something inside of
    /// the body alone, a hash of 128 bits over the symbols, seeded at random when the process starts. Keys of the two
    /// versions belong into two maps.
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.parts.key()
    }

    /// Whether the key is the one that the receiver expected.
    #[inline]
    pub fn is_expected(&self) -> bool {
        self.expected
    }

    /// The labels: sorted by name, no name twice, no empty value, a metric's name among them, all UTF-8.
    ///
    /// # Errors
    /// Labels that are not so (their order and empty values are mended, as Prometheus does), or are too many or too
    /// long, and more histograms or exemplars than one series may have.
    pub fn labels(&mut self) -> Result<&[(&'a str, &'a str)], SeriesError> {
        self.sort_labels()?;
        Ok(&self.parts.labels)
    }

    /// The [labels](Self::labels) as a set that outlives the body.
    ///
    /// # Errors
    /// As [`labels`](Self::labels).
    pub fn to_labels(&mut self) -> Result<Labels, SeriesError> {
        Ok(Labels::from_pairs(self.labels()?.iter().copied()))
    }

    /// Float samples in the order of the body.
    #[inline]
    pub fn samples(&self) -> &[FloatSample] {
        &self.parts.samples
    }

    /// Native histograms in the order of the body, and why some of them are none. They are handed out once.
    pub fn take_histograms(&mut self) -> impl Iterator<Item = HistogramSample> + '_ {
        self.parts.histograms.drain(..)
    }

    /// Native histograms in the order of the body, as long as nobody took them.
    pub fn histograms(&self) -> &[HistogramSample] {
        &self.parts.histograms
    }

    /// Exemplars in the order of the body, and why some of them are none. A time of 0 means that it has none.
    pub fn exemplars(&self) -> impl Iterator<Item = Result<Exemplar, ExemplarError>> + '_ {
        let symbols = self.symbols;
        self.parts.exemplars.iter().map(move |&(bytes, end)| read_exemplar(Fields::ending_at(bytes, end), symbols))
    }

    /// Whether it had more histograms or exemplars than one series may have: those beyond are missing here, and
    /// [`labels`](Self::labels) says so.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.parts.histograms_left_out + self.parts.exemplars_left_out > 0
    }

    /// What the metric measures: only 2.0 series say so.
    pub fn metadata(&self) -> Option<MetadataRef<'a>> {
        self.metadata
    }

    /// How much it holds.
    pub fn counts(&self) -> Counts {
        self.parts.counts()
    }

    /// The labels as Prometheus prints them in its messages, valid or not; only the start of very long ones.
    pub fn describe(&mut self) -> String {
        self.collect();
        self.parts.raw.sort_by_key(|&(name, _)| name);
        text_of(&self.parts.raw)
    }

    fn sort_labels(&mut self) -> Result<(), SeriesError> {
        let found = self.collect();
        let parts = &mut *self.parts;
        sorted_valid(&mut parts.raw, found, self.limits, &mut parts.labels)?;
        for (what, found, limit) in [
            ("histograms", parts.histograms.len() + parts.histograms_left_out, self.limits.histograms_max),
            ("exemplars", parts.exemplars.len() + parts.exemplars_left_out, self.limits.exemplars_max),
        ] {
            if found > limit {
                return Err(SeriesError::TooMany { labels: text_of(&parts.raw), what, found, limit });
            }
        }
        Ok(())
    }

    /// Gathers the labels, no more than are allowed, and counts all: a flood of them is refused without being stored.
    fn collect(&mut self) -> usize {
        let parts = &mut *self.parts;
        parts.raw.clear();
        let mut found = 0;
        let mut take = |pair| {
            found += 1;
            if found <= self.limits.labels_max {
                parts.raw.push(pair);
            }
        };
        if let Some(symbols) = self.symbols {
            for pair in parts.refs.chunks_exact(2) {
                symbols.get(pair[0]).zip(symbols.get(pair[1])).into_iter().for_each(&mut take);
            }
            return parts.refs_found / 2;
        }
        for &run in &parts.runs {
            let mut fields = Fields::of_body(run);
            // The run was walked over once already: nothing in it is malformed.
            while let Ok(Some((_, value))) = fields.next() {
                value.message(&fields).and_then(label_of).into_iter().for_each(&mut take);
            }
        }
        found
    }
}

/// What a body holds for one series: reused from series to series, so that the usual one allocates nothing.
#[derive(Default)]
pub(super) struct Parts<'a> {
    /// 1.0: the label fields, in one piece unless something stands between them.
    pub runs: Vec<&'a [u8]>,
    /// 2.0: the references of names and values.
    pub refs: Vec<u32>,
    /// How many there are in the body; those beyond the limit are only counted.
    pub refs_found: usize,
    /// The key, where it is not the only run.
    pub key: Vec<u8>,
    pub samples: Vec<FloatSample>,
    pub histograms: Vec<HistogramSample>,
    /// Numbers in the histograms: they count as samples.
    pub histogram_weight: usize,
    /// Histograms beyond the limit, which are only counted.
    pub histograms_left_out: usize,
    /// Exemplars with the place in the body where they end.
    pub exemplars: Vec<(&'a [u8], usize)>,
    /// Exemplars beyond the limit, which are only counted.
    pub exemplars_left_out: usize,
    raw: Vec<(&'a [u8], &'a [u8])>,
    labels: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    pub fn clear(&mut self) {
        self.runs.clear();
        self.refs.clear();
        self.refs_found = 0;
        self.key.clear();
        self.samples.clear();
        self.histograms.clear();
        self.histogram_weight = 0;
        self.histograms_left_out = 0;
        self.exemplars.clear();
        self.exemplars_left_out = 0;
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match self.runs[..] {
            [run] => run,
            _ => &self.key,
        }
    }

    pub fn counts(&self) -> Counts {
        Counts {
            samples: self.samples.len(),
            histograms: self.histograms.len() + self.histograms_left_out,
            exemplars: self.exemplars.len() + self.exemplars_left_out,
        }
    }

    pub fn add_histogram(&mut self, limits: &WriteLimits, histogram: HistogramSample) {
        if self.histograms.len() < limits.histograms_max {
            self.histogram_weight += histogram.weight();
            self.histograms.push(histogram);
        } else {
            self.histograms_left_out += 1;
        }
    }

    pub fn add_ref(&mut self, limits: &WriteLimits, reference: u32) {
        if self.refs_found < 2 * limits.labels_max {
            self.refs.push(reference);
        }
        self.refs_found += 1;
    }

    pub fn add_exemplar(&mut self, limits: &WriteLimits, bytes: &'a [u8], end: usize) {
        if self.exemplars.len() < limits.exemplars_max {
            self.exemplars.push((bytes, end));
        } else {
            self.exemplars_left_out += 1;
        }
    }
}
