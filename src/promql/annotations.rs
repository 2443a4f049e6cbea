//! What an evaluation has to say beside its answer: warnings and infos, each text once.
//!
//! Texts are Prometheus's to the letter. Two notes with one text are one note; the later one's position stays.

use std::collections::HashMap;
use std::fmt;

use parking_lot::Mutex;

use crate::model::histogram::general_text;

/// Where in the query's text something begins, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Position(pub u32);

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The answer may be wrong.
    Warning,
    /// The answer may not be what was meant.
    Info,
}

/// One note, before its position is known as line and column.
#[derive(Debug, Clone)]
pub struct Note {
    severity: Severity,
    text: String,
    position: Option<Position>,
    detail: Detail,
}

/// What notes of one text add up.
#[derive(Debug, Clone, Copy)]
enum Detail {
    None,
    /// Buckets of a classic histogram that did not ascend.
    Monotonicity {
        first_ms: i64,
        last_ms: i64,
        bucket_min: f64,
        bucket_max: f64,
        difference: f64,
        count: u64,
    },
    /// Samples that begin before the sample in front of them.
    Overlaps(u64),
}

impl Note {
    pub(super) fn warning(position: Position, text: impl fmt::Display) -> Note {
        let text = format!("PromQL warning: {text}");
        Note { severity: Severity::Warning, text, position: Some(position), detail: Detail::None }
    }

    pub(super) fn info(position: Position, text: impl fmt::Display) -> Note {
        let text = format!("PromQL info: {text}");
        Note { severity: Severity::Info, text, position: Some(position), detail: Detail::None }
    }

    /// A warning of the source, printed as it is.
    pub(super) fn from_source(text: String) -> Note {
        Note { severity: Severity::Warning, text, position: None, detail: Detail::None }
    }

    /// Buckets from `bucket_min` to `bucket_max` that had to be lifted by up to `difference` at one time.
    pub(super) fn monotonicity(mut self, time_ms: i64, bucket_min: f64, bucket_max: f64, difference: f64) -> Note {
        self.detail =
            Detail::Monotonicity { first_ms: time_ms, last_ms: time_ms, bucket_min, bucket_max, difference, count: 1 };
        self
    }

    /// One overlap of start times.
    pub(super) fn overlap(mut self) -> Note {
        self.detail = Detail::Overlaps(1);
        self
    }

    /// Takes an earlier note of the same text in.
    fn merge(&mut self, earlier: &Note) {
        match (&mut self.detail, earlier.detail) {
            (
                Detail::Monotonicity { first_ms, last_ms, bucket_min, bucket_max, difference, count },
                Detail::Monotonicity {
                    first_ms: first,
                    last_ms: last,
                    bucket_min: min,
                    bucket_max: max,
                    difference: other,
                    count: more,
                },
            ) => {
                *first_ms = first.min(*first_ms);
                *last_ms = last.max(*last_ms);
                *bucket_min = min.min(*bucket_min);
                *bucket_max = max.max(*bucket_max);
                *difference = other.max(*difference);
                *count += more;
                self.position = earlier.position;
            }
            (Detail::Overlaps(count), Detail::Overlaps(more)) => {
                *count += more;
                self.position = earlier.position;
            }
            _ => {}
        }
    }

    fn print(&self, query: &str) -> String {
        use super::number::format_two_digits;
        let Some(position) = self.position else { return self.text.clone() };
        let place = place(position, query);
        match self.detail {
            Detail::None | Detail::Overlaps(1) => format!("{} ({place})", self.text),
            Detail::Overlaps(count) => format!("{} ({count} occurrences) ({place})", self.text),
            Detail::Monotonicity { first_ms, last_ms, bucket_min, bucket_max, difference, count } => format!(
                "{}, from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {} ({place})",
                self.text,
                general_text(bucket_min),
                general_text(bucket_max),
                format_two_digits(difference),
                super::calendar::format_rfc3339(first_ms.div_euclid(1000)),
                super::calendar::format_rfc3339(last_ms.div_euclid(1000)),
            ),
        }
    }
}

/// Line and column of a position, both from 1.
fn place(position: Position, query: &str) -> String {
    if query.is_empty() {
        return "unknown position".to_owned();
    }
    let Some(before) = query.as_bytes().get(..position.0 as usize) else { return "invalid position".to_owned() };
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    format!("{line}:{column}")
}

/// The notes of one evaluation, filled from all its threads.
///
/// The mutex guards plain memory only; notes are rare beside samples.
#[derive(Debug, Default)]
pub struct Annotations(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    list: Vec<Note>,
    /// Where in the list a text stands.
    places: HashMap<String, usize>,
}

impl Annotations {
    /// Adds a note.
    pub(super) fn add(&self, mut note: Note) {
        let notes = &mut *self.0.lock();
        if let Some(at) = notes.places.get(&note.text) {
            note.merge(&notes.list[*at]);
            notes.list[*at] = note;
            return;
        }
        notes.places.insert(note.text.clone(), notes.list.len());
        notes.list.push(note);
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.lock().list.is_empty()
    }

    /// The warnings with their places in the query.
    pub fn warnings(&self, query: &str) -> Vec<String> {
        self.print(Severity::Warning, query)
    }

    /// The infos with their places in the query.
    pub fn infos(&self, query: &str) -> Vec<String> {
        self.print(Severity::Info, query)
    }

    fn print(&self, severity: Severity, query: &str) -> Vec<String> {
        let notes = self.0.lock();
        notes.list.iter().filter(|note| note.severity == severity).map(|note| note.print(query)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_one_note_at_its_last_place() {
        let annotations = Annotations::default();
        annotations.add(Note::warning(Position(0), "odd"));
        annotations.add(Note::info(Position(3), "plain"));
        annotations.add(Note::warning(Position(7), "odd"));
        annotations.add(Note::from_source("from below".to_owned()));
        let query = "a +\n b + c";
        assert_eq!(annotations.warnings(query), ["PromQL warning: odd (2:4)", "from below"]);
        assert_eq!(annotations.infos(query), ["PromQL info: plain (1:4)"]);
        assert_eq!(annotations.infos(""), ["PromQL info: plain (unknown position)"]);
        assert_eq!(annotations.infos("a"), ["PromQL info: plain (invalid position)"]);
    }

    #[test]
    fn repeated_notes_add_up() {
        let annotations = Annotations::default();
        for time_ms in [60_000, 0] {
            let note = Note::info(Position(0), "fixed").monotonicity(time_ms, 0.1, 1e6 + time_ms as f64, 0.256);
            annotations.add(note);
            annotations.add(Note::warning(Position(0), "overlap").overlap());
        }
        assert_eq!(
            annotations.infos("q"),
            ["PromQL info: fixed, from buckets 0.1 to 1.06e+06, with a max diff of 0.26, over 2 samples from \
              1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z (1:1)"]
        );
        assert_eq!(annotations.warnings("q"), ["PromQL warning: overlap (2 occurrences) (1:1)"]);
    }
}
