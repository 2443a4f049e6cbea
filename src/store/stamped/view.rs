//! Reading a series: handles are taken under the host's lock, samples are decoded outside of it.

use std::sync::Arc;

use crate::model::histogram::FloatHistogram;
use crate::model::{StampedId, StampedValue, is_empty};

use super::chunk::Chunk;
use super::data::Stamped;
use super::loose::Loose;
use super::times::Decoded;

/// What a series held when it was taken; shared times are shared with the other views of one call.
#[derive(Debug, Clone, Default)]
pub struct StampedView {
    chunks: Vec<Chunk>,
    /// The times of open rows, ascending, and their cells.
    open_times: Arc<[i64]>,
    open: Vec<f64>,
    loose: Vec<Loose>,
    /// The range of time that was asked for, behind the horizon.
    from_ms: i64,
    to_ms: i64,
    decoded: Arc<Decoded>,
}

/// The open rows of a group in a range of time, which many series of one call ask for.
struct OpenRows {
    group: u16,
    order: Vec<usize>,
    times: Arc<[i64]>,
}

impl Stamped {
    /// Whether a series may hold a sample with `from_ms <= time <= to_ms`.
    pub(super) fn holds_between(&self, id: StampedId, from_ms: i64, to_ms: i64) -> bool {
        let Some(series) = self.table.get(id) else { return false };
        let first = series.chunks.partition_point(|chunk| chunk.last_ms() < from_ms);
        series.chunks.get(first).is_some_and(|chunk| chunk.first_ms() <= to_ms)
            || series.loose().iter().any(|sample| (from_ms..=to_ms).contains(&sample.time_ms))
            || self.has_cells(id, from_ms, to_ms)
    }

    /// Takes handles to what series hold with `from_ms <= time <= to_ms` and not before the horizon.
    pub(super) fn take(&self, ids: &[StampedId], from_ms: i64, to_ms: i64, horizon_ms: i64) -> Vec<StampedView> {
        let from_ms = from_ms.max(horizon_ms);
        let decoded = Arc::new(Decoded::default());
        let mut rows: Vec<OpenRows> = Vec::new();
        ids.iter()
            .map(|&id| {
                let decoded = Arc::clone(&decoded);
                let mut view = StampedView { from_ms, to_ms, decoded, ..StampedView::default() };
                let Some(series) = self.table.get(id) else { return view };
                let first = series.chunks.partition_point(|chunk| chunk.last_ms() < from_ms);
                let inside = series.chunks[first..].iter().take_while(|chunk| chunk.first_ms() <= to_ms);
                view.chunks = inside.cloned().collect();
                let loose = series.loose().iter().filter(|sample| (from_ms..=to_ms).contains(&sample.time_ms));
                view.loose = loose.cloned().collect();
                let Some(Some(group)) = self.groups.get(series.group as usize) else { return view };
                let known = rows.iter().position(|rows| rows.group == series.group).unwrap_or_else(|| {
                    let mut order = group.order();
                    order.retain(|&row| (from_ms..=to_ms).contains(&group.times[row]));
                    let times = order.iter().map(|&row| group.times[row]).collect();
                    rows.push(OpenRows { group: series.group, order, times });
                    rows.len() - 1
                });
                let cells = rows[known].order.iter().map(|&row| group.get(row, series.column));
                view.open.extend(cells);
                view.open_times = Arc::clone(&rows[known].times);
                view
            })
            .collect()
    }
}

impl StampedView {
    /// A reader of the samples with `from_ms <= time <= to_ms`.
    pub fn reader(&self, from_ms: i64, to_ms: i64) -> StampedReader<'_> {
        let (from_ms, to_ms) = (from_ms.max(self.from_ms), to_ms.min(self.to_ms));
        let begin = self.loose.partition_point(|sample| sample.time_ms < from_ms);
        let end = self.loose.partition_point(|sample| sample.time_ms <= to_ms).max(begin);
        StampedReader { view: self, from_ms, to_ms, next: 0, loose: &self.loose[begin..end] }
    }
}

/// Hands out the samples of one series, ascending by time, no time twice.
#[derive(Debug)]
pub struct StampedReader<'a> {
    view: &'a StampedView,
    from_ms: i64,
    to_ms: i64,
    /// The next chunk; behind the last one come the open rows, and then nothing.
    next: usize,
    /// What was not handed out yet.
    loose: &'a [Loose],
}

impl StampedReader<'_> {
    /// Appends the next samples, a few hundred at once, and tells whether there were any. Columns are those of
    /// `promql`'s samples: a value for each time, whatever where a histogram is; histograms with their places in
    /// `times`; starts either none at all or one for each time, 0 for unknown.
    pub fn next(
        &mut self,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
        histograms: &mut Vec<(u32, Arc<FloatHistogram>)>,
        starts: &mut Vec<i64>,
    ) -> bool {
        let mut out = Columns { times, values, histograms, starts };
        let begin = out.times.len();
        while out.times.len() == begin && self.next <= self.view.chunks.len() {
            let at = self.next;
            self.next += 1;
            match self.view.chunks.get(at) {
                Some(chunk) if chunk.last_ms() < self.from_ms => {}
                // Behind the range: no chunk that follows is inside.
                Some(chunk) if chunk.first_ms() > self.to_ms => self.next = self.view.chunks.len(),
                Some(chunk) => self.read_chunk(chunk, &mut out),
                None => self.read_open(&mut out),
            }
        }
        out.times.len() > begin
    }

    /// The loose samples up to a time.
    fn loose_until(&mut self, time_ms: i64) -> &[Loose] {
        let (taken, rest) = self.loose.split_at(self.loose.partition_point(|sample| sample.time_ms <= time_ms));
        self.loose = rest;
        taken
    }

    fn read_chunk(&mut self, chunk: &Chunk, out: &mut Columns<'_>) {
        let (from_ms, to_ms) = (self.from_ms, self.to_ms);
        let loose = self.loose_until(chunk.last_ms());
        if !loose.is_empty() {
            let mut samples = Vec::new();
            chunk.decode_to(&mut samples);
            samples.retain(|sample| (from_ms..=to_ms).contains(&sample.time_ms));
            out.merge(samples.into_iter(), loose);
            return;
        }
        let decoded = self.view.decoded.get(&chunk.times);
        let (begin, end) = match from_ms <= chunk.first_ms() && chunk.last_ms() <= to_ms {
            true => (0, decoded.len()),
            false => (decoded.partition_point(|&time| time < from_ms), decoded.partition_point(|&time| time <= to_ms)),
        };
        if begin >= end {
            return;
        }
        let first = out.times.len();
        out.times.extend_from_slice(&decoded[begin..end]);
        out.values.resize(first + end - begin, 0.0);
        if let Some(column) = chunk.floats() {
            column.decode(begin..end, &mut out.values[first..]);
        } else if let Some(column) = chunk.histograms() {
            let mut histograms = Vec::with_capacity(end - begin);
            column.decode(begin..end, &mut histograms);
            out.histograms.extend((first as u32..).zip(histograms.into_iter().map(Arc::new)));
        }
        if let Some(sealed) = chunk.starts() {
            out.starts.resize(first, 0);
            out.starts.resize(first + end - begin, 0);
            sealed.sealed.decode(begin..end, &mut out.starts[first..]);
        } else if !out.starts.is_empty() {
            out.starts.resize(out.times.len(), 0);
        }
    }

    fn read_open(&mut self, out: &mut Columns<'_>) {
        let view = self.view;
        let (from_ms, to_ms) = (self.from_ms, self.to_ms);
        let loose = self.loose_until(i64::MAX);
        let cells = view.open_times.iter().zip(&view.open);
        if loose.is_empty() {
            for (&time_ms, &value) in cells.filter(|(time, _)| (from_ms..=to_ms).contains(*time)) {
                if !is_empty(value) {
                    out.times.push(time_ms);
                    out.values.push(value);
                }
            }
            if !out.starts.is_empty() {
                out.starts.resize(out.times.len(), 0);
            }
            return;
        }
        let open = cells.filter(|&(time, value)| (from_ms..=to_ms).contains(time) && !is_empty(*value));
        out.merge(open.map(|(&time_ms, &value)| Loose::float(time_ms, value)), loose);
    }
}

/// Where samples go.
struct Columns<'a> {
    times: &'a mut Vec<i64>,
    values: &'a mut Vec<f64>,
    histograms: &'a mut Vec<(u32, Arc<FloatHistogram>)>,
    starts: &'a mut Vec<i64>,
}

impl Columns<'_> {
    /// Appends two ascending runs as one; of one time the loose sample counts.
    fn merge(&mut self, older: impl Iterator<Item = Loose>, loose: &[Loose]) {
        let mut loose = loose.iter().peekable();
        for sample in older {
            while let Some(before) = loose.next_if(|other| other.time_ms < sample.time_ms) {
                self.push(before);
            }
            match loose.next_if(|other| other.time_ms == sample.time_ms) {
                Some(newer) => self.push(newer),
                None => self.push(&sample),
            }
        }
        loose.for_each(|sample| self.push(sample));
    }

    fn push(&mut self, sample: &Loose) {
        if let StampedValue::Histogram(histogram) = &sample.value {
            self.histograms.push((self.times.len() as u32, Arc::clone(histogram)));
        }
        if sample.start_ms != 0 && self.starts.is_empty() {
            self.starts.resize(self.times.len(), 0);
        }
        if sample.start_ms != 0 || !self.starts.is_empty() {
            self.starts.push(sample.start_ms);
        }
        self.times.push(sample.time_ms);
        self.values.push(sample.number());
    }
}
