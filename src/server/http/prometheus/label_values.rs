//! `GET /api/v1/label/<name>/values`: the values of a label.

use std::io::Write;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::super::answer::Unanswered;
use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::catalogue::Question;
use super::envelope::{self, Notes};
use super::evaluate::watch;
use crate::promql::tree::TreeSource;

pub(super) async fn label_values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let name = unescaped(&name);
    let form = app.form(request).await?;
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let (waiting, watch) = watch(app.options.prometheus.query_timeout);
    let answer = envelope::answer(policy, turn, move |out| {
        let question = Question::read(&app, &form)?;
        let values = TreeSource::new(app.service.store(), 0, &watch).label_values(&name, question.wanted());
        watch.check()?;
        write_names(out, values, question.limit)
    })
    .await;
    drop(waiting);
    answer
}

/// Writes a list of names, at most `limit` of them.
pub(super) fn write_names(
    out: &mut dyn Write,
    mut names: Vec<String>,
    limit: Option<usize>,
) -> Result<Notes, Unanswered> {
    let mut notes = Notes::default();
    if let Some(limit) = limit.filter(|limit| names.len() > *limit) {
        names.truncate(limit);
        notes.truncated();
    }
    serde_json::to_writer(out, &names).map_err(std::io::Error::from)?;
    Ok(notes)
}

/// Undoes the escaping of names that are not plain: behind `U__`, `__` stands for `_` and `_2e_` for `.`. What is not
/// escaped so stays as it is.
fn unescaped(name: &str) -> String {
    let unescape = |mut rest: &str| {
        let mut plain = String::new();
        while let Some(at) = rest.find('_') {
            plain.push_str(&rest[..at]);
            let (code, behind) = rest[at + 1..].split_once('_')?;
            match code {
                "" => plain.push('_'),
                code => plain.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?),
            }
            rest = behind;
        }
        plain.push_str(rest);
        Some(plain)
    };
    name.strip_prefix("U__").and_then(unescape).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_undone() {
        assert_eq!(unescaped("type_id"), "type_id");
        assert_eq!(unescaped("U__http_2e_status__code"), "http.status_code");
        assert_eq!(unescaped("U__bad_zz_"), "U__bad_zz_");
        assert_eq!(unescaped("U__open_2e"), "U__open_2e");
    }
}
