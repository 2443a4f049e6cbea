//! What is printed of one file: a head, its items up to a limit, every damage, and a summary at the end.
//!
//! Both forms, text and JSON, come from the same fields. Invariant: an item is one line, whatever its names hold.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::text::push_escaped;
use crate::time::Rfc3339;

/// One fact of an item.
pub(super) enum Field {
    /// A name or a description.
    Text(String),
    /// A number of things.
    Count(u64),
    /// Seconds since 1970.
    Secs(i64),
    /// A value of a series.
    Value(f64),
}

/// Facts with their names, in the order in which they are shown.
pub(super) type Fields = Vec<(&'static str, Field)>;

impl Field {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Field::Text(text.into())
    }

    pub(super) fn count(count: usize) -> Self {
        Field::Count(count as u64)
    }

    fn push(&self, line: &mut String) {
        // Writing into a String cannot fail.
        let _ = match self {
            Field::Text(text) if text.is_empty() => write!(line, "\"\""),
            Field::Text(text) => {
                push_escaped(line, text);
                Ok(())
            }
            Field::Count(count) => write!(line, "{count}"),
            Field::Secs(secs) => write!(line, "{secs} ({})", Rfc3339(*secs)),
            Field::Value(value) => write!(line, "{value}"),
        };
    }

    fn json(&self) -> Value {
        match self {
            Field::Text(text) => text.as_str().into(),
            Field::Count(count) => (*count).into(),
            Field::Secs(secs) => (*secs).into(),
            // What JSON has no number for is null.
            Field::Value(value) => (*value).into(),
        }
    }
}

/// Counts over a file.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Records of a log.
    pub(super) records: u64,
    pub(super) hosts: u64,
    pub(super) series: u64,
    /// Samples of a log, filled slots of a snapshot.
    pub(super) samples: u64,
    /// The first and the last second that holds a value.
    range: Option<(i64, i64)>,
}

impl Totals {
    /// Notes that there is a value at a second.
    pub(super) fn see(&mut self, secs: i64) {
        let (first, last) = self.range.unwrap_or((secs, secs));
        self.range = Some((first.min(secs), last.max(secs)));
    }
}

/// The report on one file.
pub(super) struct Report<'w> {
    out: &'w mut dyn Write,
    path: String,
    json: bool,
    limit: u64,
    items: u64,
    damages: u64,
    pub(super) totals: Totals,
}

impl<'w> Report<'w> {
    pub(super) fn new(out: &'w mut dyn Write, path: &Path, json: bool, limit: u64) -> Self {
        let path = path.to_string_lossy().into_owned();
        Report { out, path, json, limit, items: 0, damages: 0, totals: Totals::default() }
    }

    /// Prints what the file is.
    pub(super) fn begin(&mut self, kind: &str, bytes: u64, fields: &[(&'static str, Field)]) -> io::Result<()> {
        if self.json {
            let mut object = self.object("file");
            object.insert("form".into(), kind.into());
            object.insert("bytes".into(), bytes.into());
            object.extend(fields.iter().map(|(name, field)| ((*name).to_owned(), field.json())));
            return self.print_json(object);
        }
        let mut line = String::new();
        push_escaped(&mut line, &self.path);
        // Writing into a String cannot fail.
        let _ = write!(line, ": {kind}, {bytes} bytes");
        push_fields(&mut line, ", ", fields);
        writeln!(self.out, "{line}")
    }

    /// Prints an item, unless there were enough of them; `fields` is only called when it is printed.
    pub(super) fn item(
        &mut self,
        kind: &'static str,
        offset: Option<u64>,
        fields: impl FnOnce() -> Fields,
    ) -> io::Result<()> {
        self.items += 1;
        if self.items > self.limit {
            return Ok(());
        }
        self.print(kind, offset, &fields())
    }

    /// Prints damage; there is no limit for it.
    pub(super) fn damage(&mut self, offset: Option<u64>, bytes: u64, reason: &dyn Display) -> io::Result<()> {
        self.damages += 1;
        let mut fields = vec![("reason", Field::text(reason.to_string()))];
        if bytes > 0 {
            fields.insert(0, ("bytes", Field::Count(bytes)));
        }
        self.print("DAMAGE", offset, &fields)
    }

    /// Says that nothing can be said.
    pub(super) fn unreadable(&mut self, error: &io::Error) -> io::Result<()> {
        self.begin("can't be read", 0, &[])?;
        self.damage(None, 0, error)
    }

    /// Prints the summary; answers whether the file was sound.
    pub(super) fn finish(mut self) -> io::Result<bool> {
        let left_off = self.items.saturating_sub(self.limit);
        if left_off > 0 && !self.json {
            writeln!(self.out, "  … {left_off} more")?;
        }
        let mut fields = Vec::new();
        let Totals { records, hosts, series, samples, range } = &self.totals;
        for (name, count) in [("records", records), ("hosts", hosts), ("series", series), ("samples", samples)] {
            if *count > 0 {
                fields.push((name, Field::Count(*count)));
            }
        }
        if let Some((first, last)) = range {
            fields.extend([("first", Field::Secs(*first)), ("last", Field::Secs(*last))]);
        }
        if self.json && left_off > 0 {
            fields.push(("left_off", Field::Count(left_off)));
        }
        fields.push(("damages", Field::Count(self.damages)));
        self.print("summary", None, &fields)?;
        Ok(self.damages == 0)
    }

    fn print(&mut self, kind: &str, offset: Option<u64>, fields: &[(&'static str, Field)]) -> io::Result<()> {
        if self.json {
            let mut object = self.object(&kind.to_lowercase());
            if let Some(offset) = offset {
                object.insert("offset".into(), offset.into());
            }
            object.extend(fields.iter().map(|(name, field)| ((*name).to_owned(), field.json())));
            return self.print_json(object);
        }
        let mut line = String::from("  ");
        // Writing into a String cannot fail.
        let _ = match offset {
            Some(offset) => write!(line, "offset {offset}: {kind}"),
            None => write!(line, "{kind}"),
        };
        push_fields(&mut line, ": ", fields);
        writeln!(self.out, "{line}")
    }

    fn object(&self, kind: &str) -> Map<String, Value> {
        Map::from_iter([("path".to_owned(), self.path.as_str().into()), ("kind".to_owned(), kind.into())])
    }

    fn print_json(&mut self, object: Map<String, Value>) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, &Value::Object(object))?;
        writeln!(self.out)
    }
}

/// `first` before the first field and commas between them.
fn push_fields(line: &mut String, first: &str, fields: &[(&'static str, Field)]) {
    for (at, (name, field)) in fields.iter().enumerate() {
        line.push_str(if at == 0 { first } else { ", " });
        line.push_str(name);
        line.push(' ');
        field.push(line);
    }
}
