//! `histogram_quantile` and its kin: of classic histograms, a series for each bucket, and of native ones.
//!
//! Which series belong to one classic histogram is a matter of labels, so it is found out once; only the counts are
//! gathered step by step.

use std::collections::HashMap;

use crate::model::{BUCKET_LABEL, Labels, write_quoted};

use super::annotations::{Note, Position};
use super::column::{Point, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::map::{Name, heads as renamed};
use super::operator::{Head, Op, Table};
use super::output::Output;
use super::plan::Node;
use super::quantile::{
    ClassicBucket, SkippedNans, classic_fraction, classic_quantile, native_fraction, native_quantile,
};
use crate::model::histogram::{FloatHistogram, general_text};

/// A histogram of a step, of either kind.
enum Histogram<'h> {
    Classic(&'h mut Vec<ClassicBucket>),
    Native(&'h FloatHistogram),
}

/// The series of one classic histogram, and the native one of the same labels.
struct Family {
    /// Labels without the bucket's bound, names still there.
    head: Head,
    /// Upper bounds with their rows.
    buckets: Vec<(f64, usize)>,
    /// Rows whose native histograms have these labels.
    natives: Vec<usize>,
}

/// The histograms of an argument.
struct Families {
    table: Table,
    families: Vec<Family>,
    /// Rows with a bad bound.
    bad: Vec<usize>,
    position: Position,
    names_go_late: bool,
}

impl Families {
    fn new(ev: &Evaluator<'_>, table: Table, position: Position) -> Families {
        let mut families: Vec<Family> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut bad = Vec::new();
        let mut family = |families: &mut Vec<Family>, labels: Labels, head: &Head| -> usize {
            *places.entry(labels.clone()).or_insert_with(|| {
                let head = Head { labels, drop_name: head.drop_name };
                families.push(Family { head, buckets: Vec::new(), natives: Vec::new() });
                families.len() - 1
            })
        };
        for (row, (head, column)) in table.heads.iter().zip(&table.columns).enumerate() {
            if !column.histograms().is_empty() {
                let at = family(&mut families, head.labels.clone(), head);
                families[at].natives.push(row);
            }
            if column.floats() == 0 {
                continue;
            }
            match parse_bound(head.labels.value(BUCKET_LABEL)) {
                Some(bound) => {
                    let labels = head.labels.filter(|label| &*label.name != BUCKET_LABEL);
                    let at = family(&mut families, labels, head);
                    families[at].buckets.push((bound, row));
                }
                None => bad.push(row),
            }
        }
        Families { table, families, bad, position, names_go_late: ev.options.delayed_name_removal }
    }

    /// Calls `visit` for each histogram of a step: natives first, then classic ones.
    fn visit(
        &self,
        ev: &Evaluator<'_>,
        step: usize,
        mut visit: impl FnMut(&Head, Histogram<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for row in self.bad.iter().filter(|row| self.table.columns[**row].has_float(step)) {
            let labels = &self.table.heads[*row].labels;
            let text = format!(
                "bucket label \"le\" is missing or has a malformed value of {}{}",
                quoted(labels.value(BUCKET_LABEL)),
                self.for_name(labels)
            );
            ev.note(Note::warning(self.position, text));
        }
        let has_buckets =
            |family: &Family| family.buckets.iter().any(|(_, row)| self.table.columns[*row].has_float(step));
        let native = |row: usize| self.table.columns[row].histogram(step);
        let is_mixed = |family: &Family| family.natives.iter().any(|row| native(*row).is_some()) && has_buckets(family);
        for family in self.families.iter().filter(|family| !family.natives.is_empty()) {
            if is_mixed(family) {
                let name = self.for_name(&family.head.labels);
                let text = format!("vector contains a mix of classic and native histograms{name}");
                ev.note(Note::warning(self.position, text));
                continue;
            }
            for row in &family.natives {
                if let Some(histogram) = native(*row) {
                    visit(&self.table.heads[*row], Histogram::Native(histogram))?;
                }
            }
        }
        let mut buckets = Vec::new();
        for family in self.families.iter().filter(|family| !is_mixed(family)) {
            buckets.clear();
            buckets.extend(family.buckets.iter().filter_map(|(upper_bound, row)| {
                let count = self.table.columns[*row].float(step)?;
                Some(ClassicBucket { upper_bound: *upper_bound, count })
            }));
            if !buckets.is_empty() {
                visit(&family.head, Histogram::Classic(&mut buckets))?;
            }
        }
        Ok(())
    }

    /// Which metric a note is about, where names are still known.
    fn for_name(&self, labels: &Labels) -> String {
        let name = if self.names_go_late { labels.metric_name() } else { "" };
        for_name(name)
    }
}

fn for_name(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {}", quoted(name)) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    // Writing to a string cannot fail.
    let _ = write_quoted(&mut quoted, text);
    quoted
}

/// A bucket's upper bound, as Go reads floats.
fn parse_bound(text: &str) -> Option<f64> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_word = plain.starts_with(|first: char| first.is_ascii_alphabetic());
    if is_word && !["inf", "infinity", "nan"].contains(&plain.to_ascii_lowercase().as_str()) {
        return None;
    }
    text.parse().ok()
}

/// Which quantile of the histograms of `args[at]` a note is about.
struct Asked {
    /// The rank from 0 to 1.
    rank: f64,
    /// Where the rank stands in the query.
    position: Position,
}

impl Asked {
    fn check(&self, ev: &Evaluator<'_>) {
        if !(0.0..=1.0).contains(&self.rank) {
            let rank = general_text(self.rank);
            let text = format!("quantile value should be between 0 and 1, got {rank}");
            ev.note(Note::warning(self.position, text));
        }
    }

    fn of(&self, ev: &Evaluator<'_>, families: &Families, head: &Head, histogram: Histogram<'_>, time_ms: i64) -> f64 {
        let name = families.for_name(&head.labels);
        match histogram {
            Histogram::Native(histogram) => {
                let found = native_quantile(self.rank, histogram);
                let what = match found.nans {
                    Some(SkippedNans::Skewed) => Some("result is skewed higher"),
                    Some(SkippedNans::Result) => Some("result is NaN"),
                    None => None,
                };
                if let Some(what) = what {
                    let text = format!("input to histogram_quantile has NaN observations, {what}{name}");
                    ev.note(Note::info(families.position, text));
                }
                found.value
            }
            Histogram::Classic(buckets) => {
                let found = classic_quantile(self.rank, buckets);
                if let Some(forced) = found.forced {
                    let text = format!(
                        "input to histogram_quantile needed to be fixed for monotonicity (see \
                         https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){name}"
                    );
                    let note = Note::info(families.position, text);
                    let (lowest, highest) = (forced.min_bucket, forced.max_bucket);
                    ev.note(note.monotonicity(time_ms, lowest, highest, forced.max_difference));
                }
                found.value
            }
        }
    }
}

/// `histogram_quantile(rank, histograms)`.
pub fn quantile<'a>(ev: &Evaluator<'a>, args: &'a [Node], steps: Steps) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    let ranks = ev.scalar(&args[0], steps)?;
    let families = Families::new(ev, ev.table(&args[1], steps)?, args[1].position);
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    for (step, rank) in ranks.into_iter().enumerate() {
        ev.poll()?;
        let asked = Asked { rank, position: args[0].position };
        asked.check(ev);
        families.visit(ev, step, |head, histogram| {
            let value = asked.of(ev, &families, head, histogram, steps.time_ms(step));
            output.push(step, &dropped(ev, head), Point::Float(value))
        })?;
    }
    finish(ev, held, output)
}

/// `histogram_quantiles(histograms, label, rank…)`.
pub fn quantiles<'a>(ev: &Evaluator<'a>, args: &'a [Node], steps: Steps) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    let families = Families::new(ev, ev.table(&args[0], steps)?, args[0].position);
    let label = args[1].text();
    let ranks = args[2..].iter().map(|arg| Ok((arg.position, ev.scalar(arg, steps)?)));
    let ranks: Vec<(Position, Vec<f64>)> = ranks.collect::<Result<_, QueryError>>()?;
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    for step in 0..steps.count {
        ev.poll()?;
        let asked = |(position, ranks): &(Position, Vec<f64>)| Asked { rank: ranks[step], position: *position };
        ranks.iter().map(asked).for_each(|asked| asked.check(ev));
        for asked in ranks.iter().map(asked) {
            let text = super::number::format_open_metrics(asked.rank);
            families.visit(ev, step, |head, histogram| {
                let value = asked.of(ev, &families, head, histogram, steps.time_ms(step));
                let Head { labels, drop_name } = dropped(ev, head);
                let mut builder = labels.edit();
                builder.set(label, &*text);
                output.push(step, &Head { labels: builder.build(), drop_name }, Point::Float(value))
            })?;
        }
    }
    finish(ev, held, output)
}

/// `histogram_fraction(lower, upper, histograms)`.
pub fn fraction<'a>(ev: &Evaluator<'a>, args: &'a [Node], steps: Steps) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    let (lowers, uppers) = (ev.scalar(&args[0], steps)?, ev.scalar(&args[1], steps)?);
    let families = Families::new(ev, ev.table(&args[2], steps)?, args[2].position);
    let mut output = Output::new(steps, ev.options.delayed_name_removal);
    for (step, (lower, upper)) in lowers.into_iter().zip(uppers).enumerate() {
        ev.poll()?;
        families.visit(ev, step, |head, histogram| {
            let value = match histogram {
                Histogram::Classic(buckets) => classic_fraction(lower, upper, buckets),
                Histogram::Native(histogram) => {
                    let found = native_fraction(lower, upper, histogram);
                    if found.has_nans {
                        let name = families.for_name(&head.labels);
                        let text = format!(
                            "input to histogram_fraction has NaN observations, which are excluded from all \
                             fractions{name}"
                        );
                        ev.note(Note::info(families.position, text));
                    }
                    found.value
                }
            };
            output.push(step, &dropped(ev, head), Point::Float(value))
        })?;
    }
    finish(ev, held, output)
}

fn dropped(ev: &Evaluator<'_>, head: &Head) -> Head {
    let mut heads = renamed(ev, std::slice::from_ref(head), Name::Drop);
    heads.pop().unwrap_or_else(|| head.clone())
}

fn finish<'a>(ev: &Evaluator<'a>, held: u64, output: Output) -> Result<Op<'a>, QueryError> {
    let table = output.finish();
    ev.budget.set_held(held + table.size())?;
    Ok(Box::new(table))
}
