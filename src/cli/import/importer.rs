//! The import itself: what is on its way, what was counted, what the user sees.

use std::io::Read;
use std::path::Path;

use crate::cli::meter::Meter;
use crate::cli::stop::Stop;
use crate::formats::line::{Key, write_key, write_line};
use crate::model::Metric;

use super::error::ImportError;
use super::inputs::Input;
use super::rows::HostRows;
use super::stdin::{self, Stdin};
use super::summary::Summary;
use super::target::Target;
use super::text::{Next, Text};
use super::{checkpoints, parquet};

/// Bytes of lines that are made of rows and sent at once.
const PIECE_BYTES: usize = 2 << 20;

/// An import that is going on.
pub(super) struct Importer<'t> {
    target: &'t mut Target,
    /// The cluster of lines that name none.
    cluster: String,
    meter: Meter,
    stop: Stop,
    /// Lines made of rows that are not sent yet.
    piece: Vec<u8>,
    pub(super) summary: Summary,
}

impl<'t> Importer<'t> {
    pub(super) fn new(target: &'t mut Target, cluster: &str, meter: Meter, stop: Stop) -> Self {
        let (cluster, piece, summary) = (cluster.to_owned(), Vec::new(), Summary::default());
        Importer { target, cluster, meter, stop, piece, summary }
    }

    /// Imports one file or directory.
    ///
    /// # Errors
    ///
    /// Those of the input, after which another can go on, and those of the target.
    pub(super) fn input(&mut self, input: &Input) -> Result<(), ImportError> {
        self.summary.inputs += 1;
        match input {
            Input::Lines(path) => {
                let counted =
                    |source: Box<dyn Read + Send>| -> Box<dyn Read + Send> { Box::new(self.meter.counting(source)) };
                let text = Text::open(path, counted).map_err(|error| ImportError::input(path, error))?;
                self.text(path, text)
            }
            Input::Stdin => {
                let path = Path::new("standard input");
                let source = Box::new(self.meter.counting(Stdin::open(self.stop.clone())));
                let text = stdin::lines(source).map_err(|error| ImportError::input(path, error))?;
                self.text(path, text)
            }
            Input::Parquet(path) => parquet::import(path, self),
            Input::Checkpoints(path) => checkpoints::import(path, self),
        }
    }

    fn text(&mut self, path: &Path, mut text: Text) -> Result<(), ImportError> {
        let origin = path.display().to_string();
        loop {
            let piece = match text.next() {
                Ok(None) => return Ok(()),
                Ok(Some(Next::Piece(piece))) => piece,
                Ok(Some(Next::Endless(line))) => {
                    self.summary.lines += 1;
                    self.summary.bad += 1;
                    self.summary.note_bad(&origin, Some(line), "a line without an end in sight");
                    continue;
                }
                Err(_) if self.stop.is_asked() => return Err(ImportError::Stopped),
                Err(error) => return Err(ImportError::input(path, error)),
            };
            let stored = self.target.store(&self.cluster, piece.text)?;
            self.summary.lines += piece.lines;
            self.summary.stored += stored.stored;
            self.summary.skipped += stored.skipped;
            self.summary.bad += stored.bad;
            let line_of = |line: u64| Some(piece.first_line + line.saturating_sub(1));
            for (line, reason) in stored.first_bad {
                self.summary.note_bad(&origin, line_of(line), &reason);
            }
            for (line, reason) in stored.first_refused {
                self.summary.note_refused(&origin, line_of(line), &reason);
            }
            self.meter.rows(piece.lines);
        }
    }

    /// The configured metrics, where they are known.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        self.target.metrics()
    }

    /// Moves the bar on by bytes that no reader has counted.
    pub(super) fn advance(&self, bytes: u64) {
        self.meter.advance(bytes);
    }

    /// Appends the key of a series; `false` when no line can hold it.
    pub(super) fn key(&self, key: &Key<'_>, out: &mut Vec<u8>) -> bool {
        write_key(key, out).is_ok()
    }

    /// Counts rows that no line can hold.
    pub(super) fn note_unwritable(&mut self, rows: u64) {
        self.summary.rows += rows;
        self.summary.unwritable += rows;
    }

    /// Sends gathered rows of a host.
    pub(super) fn host_rows(&mut self, origin: &Path, rows: &mut HostRows) -> Result<(), ImportError> {
        rows.leave(|key, secs, value| {
            self.summary.rows += 1;
            if write_line(key, value, secs, &mut self.piece).is_err() {
                self.summary.unwritable += 1;
            }
            if self.piece.len() >= PIECE_BYTES { self.send(origin) } else { Ok(()) }
        })?;
        self.send(origin)
    }

    fn send(&mut self, origin: &Path) -> Result<(), ImportError> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let stored = self.target.store(&self.cluster, &self.piece)?;
        let lines = memchr::memchr_iter(b'\n', &self.piece).count() as u64;
        self.piece.clear();
        self.summary.stored += stored.stored;
        self.summary.skipped += stored.skipped;
        self.summary.bad += stored.bad;
        for (_, reason) in stored.first_bad {
            self.summary.note_bad(&origin.display().to_string(), None, &reason);
        }
        for (_, reason) in stored.first_refused {
            self.summary.note_refused(&origin.display().to_string(), None, &reason);
        }
        self.meter.rows(lines);
        Ok(())
    }
}
