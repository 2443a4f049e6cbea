//! Runs a script: every query as it stands, with its times pinned by `@`, and in the middle of a range.

use std::sync::LazyLock;

use regex::Regex;
use treering::promql::ast::{At, Expr, FunctionId};
use treering::promql::parse::{ParseOptions, parse_expr};
use treering::promql::{self, Options};

use crate::answer::{Answer, Point, check_sorted, compare};
use crate::engine::{self, Outcome};
use crate::memory::Memory;
use crate::script::{self, Command, Eval, Expected, Text, Times};

/// What came of a script.
#[derive(Default)]
pub struct Report {
    /// Number of queries.
    pub total: usize,
    /// The lines of the queries that failed, and why.
    pub failures: Vec<(usize, String)>,
}

/// Runs a script from the beginning to the end, whatever fails.
pub fn run(text: &str, options: &Options) -> Result<Report, String> {
    let mut report = Report::default();
    let mut memory = Memory::default();
    for command in script::parse(text)? {
        match command {
            Command::Clear => memory = Memory::default(),
            Command::Load(load) => memory.load(&load)?,
            Command::Eval(eval) => {
                report.total += 1;
                if let Err(reason) = evaluate(&eval, &memory, options) {
                    report.failures.push((eval.line, format!("{}: {reason}", eval.query)));
                }
            }
        }
    }
    Ok(report)
}

fn evaluate(eval: &Eval, memory: &Memory, options: &Options) -> Result<(), String> {
    match eval.times {
        Times::Range { start_ms, end_ms, step_ms } => {
            let steps = (start_ms, end_ms, step_ms);
            match engine::range(memory, &eval.query, promql::Times { start_ms, end_ms, step_ms }, options) {
                Err(error) => expect_failure(&eval.expected, &error),
                Ok(outcome) => {
                    check(&outcome, &eval.expected)?;
                    compare(&outcome.answer, &eval.expected, steps)
                }
            }
        }
        Times::At(time_ms) => {
            instant(eval, &eval.query, time_ms, memory, options)?;
            for (query, time_ms) in pinned(&eval.query, time_ms) {
                let reason = instant(eval, &query, time_ms, memory, options);
                reason.map_err(|reason| format!("as {query} at {time_ms}: {reason}"))?;
            }
            Ok(())
        }
    }
}

/// Evaluates at one time, and in the middle of a range.
fn instant(eval: &Eval, query: &str, time_ms: i64, memory: &Memory, options: &Options) -> Result<(), String> {
    static ABOUT_THE_RANGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(start|end|range|step)\(\)").unwrap());
    let expected = &eval.expected;
    let outcome = match engine::instant(memory, query, time_ms, options) {
        Err(error) => return expect_failure(expected, &error),
        Ok(outcome) => outcome,
    };
    check(&outcome, expected)?;
    compare(&outcome.answer, expected, expected.range.unwrap_or((time_ms, i64::MIN, 0)))?;
    if expected.range.is_some() || expected.text.is_some() || ABOUT_THE_RANGE.is_match(query) {
        return Ok(());
    }
    const AROUND_MS: i64 = 60_000;
    let times = promql::Times { start_ms: time_ms - AROUND_MS, end_ms: time_ms + AROUND_MS, step_ms: AROUND_MS };
    let ranged = engine::range(memory, query, times, options);
    let ranged = ranged.map_err(|error| format!("as a range: {error}"))?;
    if expected.ordered {
        return Ok(());
    }
    let Answer::Matrix(series) = ranged.answer else { return Err(format!("as a range: {:?}", ranged.answer)) };
    check_sorted(&series)?;
    let at_time = |points: Vec<(i64, Point)>| points.into_iter().find(|(at_ms, _)| *at_ms == time_ms);
    let vector: Vec<_> = series.into_iter().filter_map(|(labels, points)| Some((labels, at_time(points)?.1))).collect();
    let answer = match (&outcome.answer, vector.first()) {
        (Answer::Scalar(_), Some((_, Point::Float(value)))) => Answer::Scalar(*value),
        _ => Answer::Vector(vector),
    };
    compare(&answer, expected, (0, 0, 0)).map_err(|reason| format!("as a range: {reason}"))
}

fn expect_failure(expected: &Expected, error: &str) -> Result<(), String> {
    match &expected.fail {
        Some(text) if text.matches(error) => Ok(()),
        Some(text) => Err(format!("expected to fail with {text}, but with {error}")),
        None => Err(error.to_owned()),
    }
}

/// Compares all but the answer.
fn check(outcome: &Outcome, expected: &Expected) -> Result<(), String> {
    if expected.fail.is_some() {
        return Err(format!("expected to fail, got {:?}", outcome.answer));
    }
    check_notes("warning", &expected.warn, expected.no_warn, &outcome.warnings)?;
    check_notes("info", &expected.info, expected.no_info, &outcome.infos)
}

fn check_notes(kind: &str, expected: &[Text], none: bool, found: &[String]) -> Result<(), String> {
    if none && !found.is_empty() {
        return Err(format!("expected no {kind}, got {found:?}"));
    }
    if let Some(missing) = expected.iter().find(|text| !found.iter().any(|note| text.matches(note))) {
        return Err(format!("expected {kind} {missing}, got {found:?}"));
    }
    match found.iter().find(|note| !expected.is_empty() && !expected.iter().any(|text| text.matches(note))) {
        Some(note) => Err(format!("unexpected {kind} {note:?}")),
        None => Ok(()),
    }
}

/// The query with all its times fixed by `@`, at times that then must not matter; none if they matter nevertheless.
fn pinned(query: &str, time_ms: i64) -> Vec<(String, i64)> {
    let Ok(mut expr) = parse_expr(query, &ParseOptions::everything()) else { return Vec::new() };
    if !pin(&mut expr, time_ms) {
        return Vec::new();
    }
    let query = expr.to_string();
    let times = match time_ms {
        0 => vec![-1000, 0, 1000],
        _ => vec![-10 * time_ms, 0, time_ms / 5, time_ms, 10 * time_ms],
    };
    times.into_iter().map(|time_ms| (query.clone(), time_ms)).collect()
}

/// Fixes the times of all selectors that are not fixed; answers whether the answer now is the same at all times.
fn pin(expr: &mut Expr, time_ms: i64) -> bool {
    let at = match expr {
        Expr::Vector(selector) => &mut selector.at,
        Expr::Matrix(matrix) => &mut matrix.selector.at,
        // What is inside belongs to the times of the subquery, which are fixed now.
        Expr::Subquery(subquery) => &mut subquery.at,
        Expr::Call(call) if depends_on_time(call.function.id) => return false,
        _ => return expr.children_mut().into_iter().all(|child| pin(child, time_ms)),
    };
    if !matches!(at, Some(At::Millis(_))) {
        *at = Some(At::Millis(time_ms));
    }
    true
}

fn depends_on_time(function: FunctionId) -> bool {
    use FunctionId::{
        DayOfMonth, DayOfWeek, DayOfYear, DaysInMonth, End, Hour, Minute, Month, PredictLinear, Range, Start, Step,
        Time, Timestamp, Year,
    };
    matches!(
        function,
        DayOfMonth
            | DayOfWeek
            | DayOfYear
            | DaysInMonth
            | End
            | Hour
            | Minute
            | Month
            | PredictLinear
            | Range
            | Start
            | Step
            | Time
            | Timestamp
            | Year
    )
}
