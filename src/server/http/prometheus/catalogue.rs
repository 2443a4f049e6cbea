//! What the endpoints about series and labels have in common.

use super::super::{App, Refusal};
use super::failure::bad_data;
use super::form::Form;
use crate::model::Matcher;
use crate::promql::parse::parse_selector;
use crate::promql::tree::Wanted;

/// Selectors of one request.
const SELECTORS_MAX: usize = 1000;

/// Which series a request is about.
pub(super) struct Question {
    matcher_sets: Vec<Vec<Matcher>>,
    start_ms: i64,
    end_ms: i64,
    pub(super) limit: Option<usize>,
}

impl Question {
    /// Reads `limit`, `start`, `end` and `match[]`. Patterns are compiled here: not for an async task.
    pub(super) fn read(app: &App, form: &Form) -> Result<Question, Refusal> {
        Question::read_with(app, form, bad_data)
    }

    /// As [`read`](Self::read); `wrong` makes an error of what is wrong with a selector.
    pub(super) fn read_with(app: &App, form: &Form, wrong: fn(String) -> Refusal) -> Result<Question, Refusal> {
        let limit = form.limit()?;
        let start_ms = form.time_or("start", i64::MIN / 2)?.ms;
        let end_ms = form.time_or("end", i64::MAX / 2)?.ms;
        let matcher_sets = read_matchers(app, form, wrong)?;
        Ok(Question { matcher_sets, start_ms, end_ms, limit })
    }

    /// The matchers of each selector.
    pub(super) fn matcher_sets(&self) -> &[Vec<Matcher>] {
        &self.matcher_sets
    }

    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted { matcher_sets: &self.matcher_sets, start_ms: self.start_ms, end_ms: self.end_ms }
    }
}

/// Reads `match[]`; `wrong` makes an error of what is wrong with a selector.
pub(super) fn read_matchers(
    app: &App,
    form: &Form,
    wrong: fn(String) -> Refusal,
) -> Result<Vec<Vec<Matcher>>, Refusal> {
    let mut matcher_sets = Vec::new();
    // What patterns may cost is bounded for all selectors together.
    let mut parse = app.options.prometheus.parse;
    for selector in form.values("match[]") {
        if matcher_sets.len() == SELECTORS_MAX {
            return Err(bad_data(format_args!("more than {SELECTORS_MAX} match[] parameters")));
        }
        let matchers = parse_selector(selector, &parse).map_err(|error| wrong(error.to_string()))?;
        parse.patterns_max -= matchers.iter().filter(|matcher| matcher.is_compiled()).count();
        if matchers.iter().all(|matcher| matcher.matches("")) {
            return Err(wrong("match[] must contain at least one non-empty matcher".to_owned()));
        }
        matcher_sets.push(matchers);
    }
    Ok(matcher_sets)
}
