//! Treering's own files: log segments and shard snapshots.

use std::io::{self, Read};

use hashbrown::HashMap;

use crate::formats::native::{
    ComponentPath, Definition, Entry, FileHeader, FileKind, HorizonRecord, NativeError, Record, Section, SegmentReader,
    SnapshotReader, StampedRecord,
};
use crate::model::{Metadata, Sample, StampedSample, StampedValue};

use super::image;
use super::report::{Field, Fields, Report};

/// Prints a segment that lies in memory.
pub(super) fn segment(bytes: &[u8], report: &mut Report<'_>) -> io::Result<()> {
    let len = bytes.len() as u64;
    let reader = match SegmentReader::open(bytes) {
        Ok(reader) => reader,
        Err(error) => return refused(FileKind::Segment, len, &error, report),
    };
    report.begin(FileKind::Segment.name(), len, &header(reader.header(), FileHeader::version(bytes)))?;
    let mut names = Names::default();
    let mut samples = Vec::new();
    let mut stamped = Vec::new();
    for entry in reader {
        match entry {
            Entry::Record { offset, payload } => {
                report.totals.records += 1;
                let record = match Record::parse(payload) {
                    Ok(record) => record,
                    Err(error) => {
                        report.damage(Some(offset), payload.len() as u64, &error)?;
                        continue;
                    }
                };
                for record in record.parts() {
                    let outcome = match record {
                        Record::Samples(record) => {
                            names.record(offset, record.host, &record.definitions, report)?;
                            let (host, received_secs) = (record.host, record.received_secs);
                            let read = record.read(&mut samples);
                            read.map(|()| names.samples(offset, host, received_secs, &samples, report))
                        }
                        Record::Stamped(record) => {
                            names.stamped_record(offset, record, report)?;
                            let read = record.read(&mut stamped);
                            read.map(|()| names.stamped_samples(offset, record, &stamped, report))
                        }
                        Record::Horizon(record) => Ok(report.item("horizon", Some(offset), || horizon(record))),
                        Record::Metadata(metrics) => Ok(metadata(offset, metrics, report)),
                        // It is handed out by its parts.
                        Record::Both(_) => Ok(Ok(())),
                    };
                    match outcome {
                        Ok(printed) => printed?,
                        Err(error) => report.damage(Some(offset), payload.len() as u64, &error)?,
                    }
                }
            }
            Entry::Damage(found) => report.damage(Some(found.offset), found.len, &found.reason)?,
            Entry::Tail(found) => {
                report.damage(Some(found.offset), found.len, &format!("torn tail: {}", found.reason))?;
            }
        }
    }
    report.totals.hosts = names.hosts.len() as u64;
    report.totals.series = (names.series.len() + names.stamped.len()) as u64;
    Ok(())
}

/// What is said of a file whose header is sound and not for us.
fn refused(kind: FileKind, len: u64, error: &NativeError, report: &mut Report<'_>) -> io::Result<()> {
    report.begin(kind.name(), len, &[])?;
    report.damage(Some(0), 0, error)
}

fn header(header: Option<&FileHeader>, version: Option<u32>) -> Fields {
    // A damaged header is told as damage.
    let (Some(FileHeader { shard, sequence, created_secs }), Some(version)) = (header, version) else {
        return Vec::new();
    };
    vec![
        ("version", Field::Count(u64::from(version))),
        ("shard", Field::Count(u64::from(*shard))),
        ("sequence", Field::Count(*sequence)),
        ("created", Field::Secs(*created_secs)),
    ]
}

/// The names that a segment has defined so far.
#[derive(Default)]
struct Names {
    hosts: HashMap<u32, String>,
    series: HashMap<(u32, u32), String>,
    stamped: HashMap<(u32, u32), String>,
}

impl Names {
    fn record(
        &mut self,
        offset: u64,
        number: u32,
        definitions: &[Definition<'_>],
        report: &mut Report<'_>,
    ) -> io::Result<()> {
        for definition in definitions {
            match definition {
                Definition::Host { cluster, host } => {
                    let name = format!("{cluster}/{host}");
                    report.item("host defined", Some(offset), || {
                        vec![("number", Field::Count(u64::from(number))), ("host", Field::text(&*name))]
                    })?;
                    self.hosts.insert(number, name);
                }
                Definition::Series { series, path, is_device, metric } => {
                    let name = format!("{}{metric}", joined(path));
                    report.item("series defined", Some(offset), || {
                        let mut fields = vec![
                            ("host", Field::text(self.host(number))),
                            ("number", Field::Count(u64::from(series.0))),
                            ("series", Field::text(&*name)),
                        ];
                        if *is_device {
                            fields.push(("is", Field::text("device")));
                        }
                        fields
                    })?;
                    self.series.insert((number, series.0), name);
                }
            }
        }
        Ok(())
    }

    fn samples(
        &self,
        offset: u64,
        number: u32,
        received_secs: i64,
        samples: &[Sample],
        report: &mut Report<'_>,
    ) -> io::Result<()> {
        let secs = || samples.iter().map(|sample| sample.secs);
        report.totals.samples += samples.len() as u64;
        secs().min().into_iter().chain(secs().max()).for_each(|secs| report.totals.see(secs));
        report.item("samples", Some(offset), || {
            let mut fields = vec![
                ("host", Field::text(self.host(number))),
                ("received", Field::Secs(received_secs)),
                ("samples", Field::count(samples.len())),
            ];
            if let Some(first) = samples.first() {
                let name = self.series.get(&(number, first.series.0)).map_or("not defined", String::as_str);
                fields.extend([("of", Field::text(name)), ("value", Field::Value(first.value))]);
            }
            if let (Some(first), Some(last)) = (secs().min(), secs().max()) {
                fields.extend([("first", Field::Secs(first)), ("last", Field::Secs(last))]);
            }
            // Their definitions were in a damaged record.
            let is_undefined = |sample: &&Sample| !self.series.contains_key(&(number, sample.series.0));
            match samples.iter().filter(is_undefined).count() {
                0 => {}
                count => fields.push(("undefined", Field::count(count))),
            }
            fields
        })
    }

    fn stamped_record(&mut self, offset: u64, record: &StampedRecord<'_>, report: &mut Report<'_>) -> io::Result<()> {
        if let Some((cluster, host)) = record.names {
            let host = Definition::Host { cluster, host };
            self.record(offset, record.host, &[host], report)?;
        }
        for (series, labels) in &record.definitions {
            let name = labels.to_string();
            report.item("stamped series defined", Some(offset), || {
                vec![
                    ("host", Field::text(self.host(record.host))),
                    ("number", Field::Count(u64::from(series.0))),
                    ("series", Field::text(&*name)),
                ]
            })?;
            self.stamped.insert((record.host, series.0), name);
        }
        Ok(())
    }

    fn stamped_samples(
        &self,
        offset: u64,
        record: &StampedRecord<'_>,
        samples: &[StampedSample],
        report: &mut Report<'_>,
    ) -> io::Result<()> {
        let secs = || samples.iter().map(|sample| sample.time_ms.div_euclid(1000));
        report.totals.samples += samples.len() as u64;
        secs().min().into_iter().chain(secs().max()).for_each(|secs| report.totals.see(secs));
        let name = |series: u32| self.stamped.get(&(record.host, series)).map_or("not defined", String::as_str);
        report.item("stamped samples", Some(offset), || {
            let is_histogram = |sample: &&StampedSample| matches!(sample.value, StampedValue::Histogram(_));
            let mut fields = vec![
                ("host", Field::text(self.host(record.host))),
                ("received", Field::Secs(record.received_ms.div_euclid(1000))),
                ("samples", Field::count(samples.len())),
                ("histograms", Field::count(samples.iter().filter(is_histogram).count())),
                ("exemplars", Field::count(record.exemplars.len())),
            ];
            if let Some(first) = samples.first() {
                fields.push(("of", Field::text(name(first.series.0))));
                fields.push(match &first.value {
                    StampedValue::Float(value) => ("value", Field::Value(*value)),
                    StampedValue::Histogram(histogram) => ("value", Field::text(histogram.to_string())),
                });
            }
            if let (Some(first), Some(last)) = (secs().min(), secs().max()) {
                fields.extend([("first", Field::Secs(first)), ("last", Field::Secs(last))]);
            }
            // Their definitions were in a damaged record.
            let is_undefined = |sample: &&StampedSample| !self.stamped.contains_key(&(record.host, sample.series.0));
            match samples.iter().filter(is_undefined).count() {
                0 => {}
                count => fields.push(("undefined", Field::count(count))),
            }
            fields
        })
    }

    fn host(&self, number: u32) -> String {
        self.hosts.get(&number).cloned().unwrap_or_else(|| format!("number {number}, not defined"))
    }
}

/// Prints what metrics are.
fn metadata(offset: u64, metrics: &[(Box<str>, Metadata)], report: &mut Report<'_>) -> io::Result<()> {
    for (name, metadata) in metrics {
        report.item("metadata", Some(offset), || {
            vec![
                ("metric", Field::text(&**name)),
                ("type", Field::text(metadata.kind.name())),
                ("unit", Field::text(&*metadata.unit)),
                ("help", Field::text(&*metadata.help)),
            ]
        })?;
    }
    Ok(())
}

fn horizon(record: &HorizonRecord<'_>) -> Fields {
    vec![
        ("host", Field::text(format!("{}/{}", record.cluster, record.host.unwrap_or("*")))),
        ("below", Field::text(joined(&record.path))),
        ("to", Field::Secs(record.to_secs)),
    ]
}

/// The joined names of a path, each with a slash behind it.
fn joined(path: &ComponentPath<'_>) -> String {
    path.as_slice().iter().map(|part| format!("{}{}/", part.kind, part.id)).collect()
}

/// Prints a snapshot, of which one host is in memory at a time.
pub(super) fn snapshot(source: impl Read, len: u64, report: &mut Report<'_>) -> io::Result<()> {
    let mut reader = match SnapshotReader::open(source) {
        Ok(reader) => reader,
        Err(error) => return refused(FileKind::Snapshot, len, &error, report),
    };
    report.begin(FileKind::Snapshot.name(), len, &header(reader.header(), reader.version()))?;
    loop {
        let offset = reader.offset();
        match reader.next_section() {
            Ok(Some(Section::Host(host))) => image::host(&host, Some(offset), reader.offset() - offset, report)?,
            Ok(Some(Section::Metadata(metrics))) => metadata(offset, &metrics, report)?,
            Ok(Some(Section::Damage(found))) => report.damage(Some(found.offset), found.len, &found.reason)?,
            Ok(None) => return Ok(()),
            Err(error) => return report.damage(Some(offset), 0, &error),
        }
    }
}
