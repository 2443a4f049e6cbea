//! Entries that one thread prints together, and their way into the rows of an answer.
//!
//! A thread does not know what became of the entries before its own; it prints the commas and brackets between entries
//! as they are when nothing is missing. Invariant: such a text is sent as it lies only when that was so, and else is
//! put together again entry by entry. So the usual answer is never copied.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::entry::{self, Entry, Hole, Scratch, Task};
use super::request::Request;
use super::sink::Sink;
use super::source::Source;

/// What stands between an entry and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// They are of one row.
    Inside,
    /// A row begins.
    Row {
        /// Rows without entries since the entry before.
        empty_rows: usize,
        /// Whether there is no entry before.
        is_first: bool,
    },
}

impl Lead {
    fn write(self, out: &mut Vec<u8>) {
        let Lead::Row { empty_rows, is_first } = self else { return out.push(b',') };
        out.extend_from_slice(if is_first { b"" } else { b"]," });
        (0..empty_rows).for_each(|_| out.extend_from_slice(b"[],"));
        out.push(b'[');
    }
}

/// The text of some entries.
#[derive(Debug)]
pub(super) struct Batch {
    /// What came before, then each entry behind its lead, as if nothing were missing.
    json: Vec<u8>,
    /// Where the first lead begins.
    begin: usize,
    parts: Vec<Part>,
    /// Whether nothing is missing and nothing has a hole.
    is_whole: bool,
}

#[derive(Debug)]
struct Part {
    lead: Lead,
    /// Where the entry lies in the text, its lead not included.
    begin: usize,
    end: usize,
    entry: Entry,
}

impl Batch {
    /// Reads and prints entries behind what `json` holds already; `bytes_usual` learns how long such a text is.
    pub(super) fn print<'t>(
        source: &impl Source,
        request: &Request<'_>,
        tasks: impl IntoIterator<Item = Task<'t>>,
        mut json: Vec<u8>,
        bytes_usual: &AtomicUsize,
    ) -> Batch {
        let begin = json.len();
        json.reserve(bytes_usual.load(Ordering::Relaxed));
        let mut scratch = Scratch::default();
        let mut parts = Vec::new();
        for task in tasks {
            let begin = json.len();
            task.lead.write(&mut json);
            let after_lead = json.len();
            let entry = entry::print(source, request, &task, &mut scratch, &mut json);
            if entry == Entry::Missing {
                json.truncate(begin);
            }
            parts.push(Part { lead: task.lead, begin: after_lead.min(json.len()), end: json.len(), entry });
        }
        bytes_usual.fetch_max(json.len() - begin, Ordering::Relaxed);
        let is_whole = parts.iter().all(|part| matches!(part.entry, Entry::Present { hole: None, .. }));
        Batch { json, begin, parts, is_whole }
    }

    /// How many entries it has, the missing ones included.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }
}

/// The rows of an answer, filled by one batch after the other.
pub(super) struct Rows<'a> {
    out: &'a mut dyn Sink,
    request: &'a Request<'a>,
    /// Whether the open row has an entry.
    written: bool,
    /// Entries of the open row that are missing since the last one that is not.
    missing: u64,
    /// Entries that came so far.
    taken: usize,
}

impl<'a> Rows<'a> {
    /// Rows to be written to `out`.
    pub(super) fn new(out: &'a mut dyn Sink, request: &'a Request<'a>) -> Self {
        Rows { out, request, written: false, missing: 0, taken: 0 }
    }

    /// How many entries came so far, the missing ones included.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Writes a batch.
    pub(super) fn take(&mut self, batch: Batch) -> io::Result<()> {
        let Some(first) = batch.parts.first() else { return self.out.take(batch.json) };
        self.taken += batch.len();
        if batch.is_whole && (self.missing == 0 || first.lead != Lead::Inside) {
            (self.written, self.missing) = (true, 0);
            return self.out.take(batch.json);
        }
        let mut text = batch.json[..batch.begin].to_vec();
        for part in &batch.parts {
            if part.lead != Lead::Inside {
                part.lead.write(&mut text);
                (self.written, self.missing) = (false, 0);
            }
            let Entry::Present { hole, resolution_secs } = part.entry else {
                self.missing += 1;
                continue;
            };
            for _ in 0..std::mem::take(&mut self.missing) {
                self.separate(&mut text);
                entry::write_placeholder(&mut text, self.request, resolution_secs);
                self.spill(&mut text)?;
            }
            self.separate(&mut text);
            match hole {
                None => text.extend_from_slice(&batch.json[part.begin..part.end]),
                Some(Hole { at, nulls }) => {
                    text.extend_from_slice(&batch.json[part.begin..at]);
                    for _ in 0..nulls {
                        text.extend_from_slice(b"null,");
                        self.spill(&mut text)?;
                    }
                    text.extend_from_slice(&batch.json[at..part.end]);
                }
            }
            self.spill(&mut text)?;
        }
        self.out.take(text)
    }

    /// Writes what ends the rows; so many without entries come behind the last entry.
    pub(super) fn end(self, empty_rows: usize) -> io::Result<()> {
        let mut text = if self.taken > 0 { b"],".to_vec() } else { Vec::new() };
        (0..empty_rows).for_each(|_| text.extend_from_slice(b"[],"));
        // The comma behind the last row, if there is any.
        text.pop();
        text.extend_from_slice(b"]}\n");
        self.out.write_all(&text)
    }

    fn separate(&mut self, text: &mut Vec<u8>) {
        if std::mem::replace(&mut self.written, true) {
            text.push(b',');
        }
    }

    /// Sends the text if it is long.
    fn spill(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        if text.len() >= TEXT_BYTES {
            self.out.write_all(text)?;
            text.clear();
        }
        Ok(())
    }
}

/// Text that is put together before it is sent.
pub(super) const TEXT_BYTES: usize = 64 << 10;
