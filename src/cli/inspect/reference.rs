//! cc-metric-store's files: logs and the two forms of snapshots.

use std::io::{self, Read};

use hashbrown::HashSet;

use crate::formats::ccms::{self, CcmsError, SnapshotForm, Visitor, WalItem, WalReader};
use crate::model::is_empty;

use super::report::{Field, Report};

/// Series of a log that are told apart; what comes beyond is checked and no longer counted.
const SERIES_MAX: usize = 1 << 20;

/// Prints a log.
pub(super) fn log(source: impl Read, len: u64, report: &mut Report<'_>) -> io::Result<()> {
    report.begin("log of cc-metric-store", len, &[])?;
    let mut reader = WalReader::new(source);
    let mut series: HashSet<String> = HashSet::new();
    loop {
        match reader.next_item() {
            Ok(Some(WalItem::Record { offset, record })) => {
                report.totals.records += 1;
                report.totals.samples += 1;
                report.totals.see(record.secs);
                let name = joined(&record.selector, &record.metric);
                report.item("record", Some(offset), || {
                    let value = Field::Value(record.value);
                    vec![("series", Field::text(&*name)), ("time", Field::Secs(record.secs)), ("value", value)]
                })?;
                if series.len() < SERIES_MAX {
                    series.insert(name);
                }
            }
            Ok(Some(WalItem::Damage(found))) => report.damage(Some(found.offset), found.len, &found.reason)?,
            Ok(Some(WalItem::Tail(found))) => {
                report.damage(Some(found.offset), found.len, &format!("torn tail: {}", found.reason))?;
            }
            Ok(None) => break,
            Err(error) => {
                report.damage(None, 0, &error)?;
                break;
            }
        }
    }
    report.totals.series = series.len() as u64;
    Ok(())
}

/// Prints a snapshot of one host.
pub(super) fn snapshot(source: impl Read, len: u64, form: SnapshotForm, report: &mut Report<'_>) -> io::Result<()> {
    let kind = match form {
        SnapshotForm::Bin => "binary snapshot of cc-metric-store",
        SnapshotForm::Json => "JSON snapshot of cc-metric-store",
    };
    report.begin(kind, len, &[])?;
    report.totals.hosts = 1;
    let mut printer = Printer { report, path: Vec::new(), offset: 0, series: None, outcome: Ok(()) };
    let read = match form {
        SnapshotForm::Bin => ccms::read_bin(source, len, &mut printer),
        SnapshotForm::Json => ccms::read_json(source, &mut printer),
    };
    printer.end_series();
    let Printer { report, outcome, .. } = printer;
    outcome?;
    match read {
        Ok(span) => {
            report.item("span", None, || vec![("from", Field::Secs(span.from_secs)), ("to", Field::Secs(span.to_secs))])
        }
        Err(CcmsError::Corrupt { offset, path, reason }) => {
            let place = if path.is_empty() { String::new() } else { format!("in {path}: ") };
            report.damage(Some(offset), len.saturating_sub(offset), &format!("{place}{reason}"))
        }
        Err(error) => report.damage(None, 0, &error),
    }
}

/// Takes a snapshot's series, of which long ones come in pieces, and prints each when it is whole.
struct Printer<'r, 'w> {
    report: &'r mut Report<'w>,
    path: Vec<String>,
    /// Where the next level or series begins.
    offset: u64,
    series: Option<Series>,
    /// The first failure of the output; a visitor has no way to end the reading.
    outcome: io::Result<()>,
}

/// A series of which a piece was there.
struct Series {
    offset: u64,
    metric: String,
    frequency_secs: u32,
    start_secs: i64,
    slots: u64,
    filled: u64,
}

impl Printer<'_, '_> {
    fn end_series(&mut self) {
        let Some(series) = self.series.take() else { return };
        self.report.totals.series += 1;
        self.report.totals.samples += series.filled;
        if self.outcome.is_ok() {
            self.outcome = self.report.item("series", Some(series.offset), || {
                vec![
                    ("series", Field::text(joined(&self.path, &series.metric))),
                    ("start", Field::Secs(series.start_secs)),
                    ("frequency", Field::Count(u64::from(series.frequency_secs))),
                    ("slots", Field::Count(series.slots)),
                    ("filled", Field::Count(series.filled)),
                ]
            });
        }
    }
}

impl Visitor for Printer<'_, '_> {
    fn at(&mut self, offset: u64) {
        self.end_series();
        self.offset = offset;
    }

    fn enter(&mut self, name: &str) {
        self.end_series();
        self.path.push(name.to_owned());
        if self.outcome.is_ok() {
            let level = || vec![("level", Field::text(self.path.join("/")))];
            self.outcome = self.report.item("level", Some(self.offset), level);
        }
    }

    fn series(&mut self, name: &str, frequency_secs: u32, start_secs: i64, slots: &[f64]) {
        let series = self.series.get_or_insert_with(|| Series {
            offset: self.offset,
            metric: name.to_owned(),
            frequency_secs,
            start_secs,
            slots: 0,
            filled: 0,
        });
        series.slots += slots.len() as u64;
        series.filled += slots.iter().filter(|slot| !is_empty(**slot)).count() as u64;
        let ends = [slots.iter().position(|slot| !is_empty(*slot)), slots.iter().rposition(|slot| !is_empty(*slot))];
        for slot in ends.into_iter().flatten() {
            // The reader has checked that the end does not overflow.
            self.report.totals.see(start_secs + slot as i64 * i64::from(frequency_secs));
        }
    }

    fn leave(&mut self) {
        self.end_series();
        self.path.pop();
    }
}

fn joined(path: &[String], metric: &str) -> String {
    let names: Vec<&str> = path.iter().map(String::as_str).chain([metric]).collect();
    names.join("/")
}
