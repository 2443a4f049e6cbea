//! What is around every answer: `{"status":"success","data":…}`, and the warnings behind it.

use std::io::{self, Write};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::Refusal;
use super::super::answer::{self, Policy, Unanswered};
use super::super::turns::AnswerTurn;
use crate::query::Sink;

/// Warnings and infos that an answer shows, each.
const NOTES_MAX: usize = 10;

/// What is said beside an answer.
#[derive(Debug, Default)]
pub(in crate::server) struct Notes {
    pub(super) warnings: Vec<String>,
    pub(super) infos: Vec<String>,
}

impl Notes {
    /// The warnings and the infos as they are shown: of too many, the first ones.
    pub(in crate::server) fn shown(&self) -> (Vec<String>, Vec<String>) {
        (shown("warning", &self.warnings), shown("info", &self.infos))
    }

    /// Says that there was more than the limit lets through.
    pub(super) fn truncated(&mut self) {
        self.warnings.push("results truncated due to limit".to_owned());
    }
}

/// Answers with the data that `work` writes on a blocking thread.
pub(super) async fn answer<F>(policy: Policy, turn: AnswerTurn, work: F) -> Result<Response, Refusal>
where
    F: FnOnce(&mut dyn Sink) -> Result<Notes, Unanswered> + Send + 'static,
{
    answer::json(policy, turn, move |out| {
        let mut begun = Begun { out, is_begun: false };
        let notes = work(&mut begun)?;
        begun.write_all(b"")?;
        let (warnings, infos) = notes.shown();
        write_notes(begun.out, "warnings", &warnings)?;
        write_notes(begun.out, "infos", &infos)?;
        Ok(begun.out.write_all(b"}")?)
    })
    .await
}

/// Answers with small data that is there already.
pub(super) fn small(data: &impl Serialize) -> Result<Response, Refusal> {
    let mut body = b"{\"status\":\"success\",\"data\":".to_vec();
    serde_json::to_writer(&mut body, data).map_err(|error| Refusal::internal(error.to_string()))?;
    body.push(b'}');
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Puts the head of the answer before its first byte, so that what fails before that can still be an error.
struct Begun<'o> {
    out: &'o mut dyn Sink,
    is_begun: bool,
}

impl Begun<'_> {
    fn begin(&mut self) -> io::Result<()> {
        if !self.is_begun {
            self.is_begun = true;
            self.out.write_all(b"{\"status\":\"success\",\"data\":")?;
        }
        Ok(())
    }
}

impl Sink for Begun<'_> {
    fn take(&mut self, piece: Vec<u8>) -> io::Result<()> {
        self.begin()?;
        self.out.take(piece)
    }
}

impl Write for Begun<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begin()?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn write_notes(out: &mut dyn Write, name: &str, notes: &[String]) -> io::Result<()> {
    if notes.is_empty() {
        return Ok(());
    }
    write!(out, ",\"{name}\":")?;
    serde_json::to_writer(&mut *out, notes)?;
    Ok(())
}

fn shown(kind: &str, notes: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = notes.iter().take(NOTES_MAX).cloned().collect();
    let left_out = notes.len() - shown.len();
    if left_out > 0 {
        shown.push(format!("{left_out} more {kind} annotations omitted"));
    }
    shown
}
