//! `GET /api/debug`: the tree with the runs of every series, as JSON of cc-metric-store's shape.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::answer;
use super::turns::AnswerLimit;
use super::{App, Refusal, parameter};
use crate::store::{LevelSummary, RunSummary};

/// Dumps the level of `?selector=cluster:host:…`, the root without it.
pub(super) async fn debug(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let path: Vec<String> = match parameter(request.uri(), "selector") {
        Some(selector) if !selector.is_empty() => selector.split(':').map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let turn = app.answer_turn(AnswerLimit::Dumps).await?;
    answer::json(policy, turn, move |out| {
        let Some(level) = app.service.summary(&path) else {
            let names: Vec<String> = path.iter().map(|name| format!("{name:?}")).collect();
            let text = format!("[METRICSTORE]> not found: []string{{{}}}", names.join(", "));
            return Err(Refusal::json(StatusCode::BAD_REQUEST, text).into());
        };
        Ok(write_dump(out, &level)?)
    })
    .await
}

/// Writes the dump of a level, indented for people.
fn write_dump(out: &mut dyn Write, level: &LevelSummary) -> io::Result<()> {
    out.write_all(b"{\"data\":")?;
    write_level(out, level, 1)?;
    out.write_all(b"}\n")
}

fn write_level(out: &mut dyn Write, level: &LevelSummary, depth: usize) -> io::Result<()> {
    out.write_all(b"{")?;
    let mut separator = "\n";
    for (name, runs) in &level.metrics {
        write!(out, "{separator}{:\t<depth$}", "")?;
        separator = ",\n";
        write_name(out, name)?;
        out.write_all(b"[")?;
        for (index, run) in runs.iter().enumerate() {
            write_run(out, run, index > 0)?;
        }
        out.write_all(b"]")?;
    }
    for (name, child) in &level.children {
        write!(out, "{separator}{:\t<depth$}", "")?;
        separator = ",\n";
        write_name(out, name)?;
        write_level(out, child, depth + 1)?;
    }
    if separator == "\n" {
        return out.write_all(b"}");
    }
    write!(out, "\n{:\t<1$}}}", "", depth - 1)
}

fn write_name(out: &mut dyn Write, name: &str) -> io::Result<()> {
    serde_json::to_writer(&mut *out, name)?;
    out.write_all(b":")
}

fn write_run(out: &mut dyn Write, run: &RunSummary, follows: bool) -> io::Result<()> {
    let separator = if follows { "," } else { "" };
    let end = run.start_secs.saturating_add(i64::from(run.frequency_secs) * i64::from(run.len));
    write!(out, "{separator}{{\"start\":{},\"len\":{},\"end\":{end}", run.start_secs, run.len)?;
    out.write_all(if run.sealed { b",\"saved\":true}" } else { b"}" })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn dump(level: &LevelSummary) -> Value {
        let mut out = Vec::new();
        write_dump(&mut out, level).unwrap();
        assert_eq!(out.last(), Some(&b'\n'));
        serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
    }

    #[test]
    fn a_dump_is_valid_json_whatever_the_names() {
        let run = |sealed, len| RunSummary { frequency_secs: 60, start_secs: 1000, len, sealed };
        let child = LevelSummary { metrics: vec![("a\"b\\\n\t\u{1}ü".into(), vec![run(false, 2)])], children: vec![] };
        let level = LevelSummary {
            metrics: vec![("load".into(), vec![run(true, 10), run(false, 1)]), ("none".into(), vec![])],
            children: vec![("ho\"st".into(), child), ("empty".into(), LevelSummary::default())],
        };
        let expected = json!({"data": {
            "load": [{"start": 1000, "len": 10, "end": 1600, "saved": true}, {"start": 1000, "len": 1, "end": 1060}],
            "none": [],
            "ho\"st": {"a\"b\\\n\t\u{1}ü": [{"start": 1000, "len": 2, "end": 1120}]},
            "empty": {},
        }});
        assert_eq!(dump(&level), expected);
        assert_eq!(dump(&LevelSummary::default()), json!({"data": {}}));
    }
}
